//! Music on hold: loaded once at the start, for all workers.

use crate::config::Music;
use crate::server::StartError;
use cell::Clips;
use media::clip::{Clip, Kind, PREPARED};
use std::path::Path;
use std::sync::Arc;
use tracing::warn;

/// The longest file that is read.
const MAX_FILE: u64 = 64 << 20;

/// What parties hear that are held, so many decibels louder than it is.
///
/// # Errors
///
/// If the operator names what is not there, a file that is no sound, or a folder in which there is no music.
pub fn load(music: &Music, volume_db: f32) -> Result<Clips, StartError> {
    let clips = match music {
        Music::Melody => vec![Clip::melody()],
        Music::None => Vec::new(),
        Music::Files(paths) => {
            let mut clips = Vec::new();
            for path in paths {
                clips.extend(pieces(path).map_err(|e| format!("{} ([media] music): {e}", path.display()))?);
            }
            clips
        }
    };
    Ok(clips.into_iter().map(|clip| Arc::new(clip.louder(volume_db))).collect())
}

/// What a file or a folder holds.
fn pieces(path: &Path) -> Result<Vec<Clip>, StartError> {
    if !path.is_dir() {
        return Ok(vec![read(path)?]);
    }
    let clips = files(path)?;
    if clips.is_empty() { Err("there is no music in it".into()) } else { Ok(clips) }
}

/// The files of a folder in the order of their names; those that are no sound are left out, with a warning.
fn files(folder: &Path) -> std::io::Result<Vec<Clip>> {
    let mut paths = std::fs::read_dir(folder)?.map(|e| Ok(e?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|path| path.is_file());
    paths.sort();
    let clip = |path: &Path| match read(path) {
        Ok(clip) => Some(clip),
        Err(e) => {
            warn!(file = %path.display(), "no music on hold: {e}");
            None
        }
    };
    Ok(paths.iter().filter_map(|path| clip(path)).collect())
}

/// A file that holds sound.
///
/// # Errors
///
/// What is wrong with it.
pub fn read(path: &Path) -> Result<Clip, StartError> {
    if std::fs::metadata(path)?.len() > MAX_FILE {
        return Err(format!("larger than {} MB", MAX_FILE >> 20).into());
    }
    let data = std::fs::read(path)?;
    let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
    let kind = Kind::of(suffix, &data).ok_or("its name ends with none of the suffixes of sound files")?;
    Ok(Clip::decode(kind, &data)?)
}

/// Encodes it for all codecs, beside the calls that may begin meanwhile.
pub fn prepare(music: &Clips) {
    let music = Arc::clone(music);
    tokio::task::spawn_blocking(move || {
        for codec in PREPARED {
            music.iter().for_each(|clip| clip.prepare(codec));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_played_in_order_and_what_is_no_music_is_left_out_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let load = |paths: &[std::path::PathBuf]| super::load(&Music::Files(paths.to_vec()), 0.0);
        assert!(load(&[at("")]).unwrap_err().to_string().contains("no music"));
        std::fs::write(at("b.ulaw"), vec![0xff; 16_000]).unwrap();
        std::fs::write(at("a.alaw"), vec![0xd5; 8_000]).unwrap();
        std::fs::write(at("readme.txt"), "hello").unwrap();
        std::fs::write(at("c.wav"), "RIFF, but no more").unwrap();
        let lengths = |clips: Clips| clips.iter().map(|clip| clip.duration().as_secs()).collect::<Vec<_>>();
        assert_eq!(lengths(load(&[at("")]).unwrap()), [1, 2]);
        assert_eq!(lengths(load(&[at("b.ulaw"), at(""), at("a.alaw")]).unwrap()), [2, 1, 2, 1]);
        for wrong in ["c.wav", "readme.txt", "nowhere"] {
            assert!(load(&[at("a.alaw"), at(wrong)]).unwrap_err().to_string().contains(wrong), "{wrong}");
        }
        assert_eq!(super::load(&Music::None, 0.0).unwrap().len(), 0);
    }

    #[test]
    fn music_is_as_loud_as_is_wished() {
        let loudest = |db| load(&Music::Melody, db).unwrap()[0].pcm().iter().map(|s| s.unsigned_abs()).max().unwrap();
        let usual = f32::from(loudest(0.0));
        assert!((f32::from(loudest(-6.0206)) / usual - 0.5).abs() < 0.01);
        assert!(loudest(20.0) >= 32_767, "cut off, not wrapped round");
    }
}
