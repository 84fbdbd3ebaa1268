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

/// What parties hear that are held.
///
/// # Errors
///
/// If the operator names a folder in which there is no music.
pub fn load(music: &Music) -> Result<Clips, StartError> {
    match music {
        Music::Melody => Ok(Arc::from([Arc::new(Clip::melody())])),
        Music::None => Ok(Arc::from([])),
        Music::Folder(folder) => {
            let clips =
                files(folder).map_err(|e| format!("reading the music in {} ([media] music): {e}", folder.display()))?;
            if clips.is_empty() {
                return Err(format!("there is no music in {} ([media] music)", folder.display()).into());
            }
            Ok(clips.into())
        }
    }
}

/// The files of a folder in the order of their names; those that are no sound are left out, with a warning.
fn files(folder: &Path) -> std::io::Result<Vec<Arc<Clip>>> {
    let mut paths = std::fs::read_dir(folder)?.map(|e| Ok(e?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|path| path.is_file());
    paths.sort();
    let clip = |path: &Path| match read(path) {
        Ok(clip) => Some(Arc::new(clip)),
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
    fn a_folder_is_played_in_order_and_what_is_no_music_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Music::Folder(dir.path().to_owned());
        assert!(load(&folder).unwrap_err().to_string().contains("no music"));
        std::fs::write(dir.path().join("b.ulaw"), vec![0xff; 16_000]).unwrap();
        std::fs::write(dir.path().join("a.alaw"), vec![0xd5; 8_000]).unwrap();
        std::fs::write(dir.path().join("readme.txt"), "hello").unwrap();
        std::fs::write(dir.path().join("c.wav"), "RIFF, but no more").unwrap();
        let lengths: Vec<u64> = load(&folder).unwrap().iter().map(|clip| clip.duration().as_secs()).collect();
        assert_eq!(lengths, [1, 2]);
        assert!(load(&Music::Folder("/nowhere".into())).unwrap_err().to_string().contains("/nowhere"));
        assert_eq!((load(&Music::Melody).unwrap().len(), load(&Music::None).unwrap().len()), (1, 0));
    }
}
