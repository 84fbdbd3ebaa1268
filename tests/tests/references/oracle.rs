//! The program that speaks with the words of the reference libraries, and how it is asked.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Seconds of sound in each comparison: 20, or `PATCHBAY_COMPARE_SECONDS`.
pub(crate) fn seconds() -> usize {
    let wish = std::env::var("PATCHBAY_COMPARE_SECONDS").ok();
    wish.map_or(20, |text| text.parse().expect("PATCHBAY_COMPARE_SECONDS is a number"))
}

/// Builds it once with the machine's own compiler.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("patchbay-oracle-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (source, program) = (folder.join("oracle.c"), folder.join("oracle"));
        std::fs::write(&source, include_str!("oracle.c")).unwrap();
        let libraries = ["-lgsm", "-lspandsp", "-lopus", "-lsrtp2", "-lbcg729"];
        let built = Command::new("gcc")
            .args(["-O2", "-I/usr/include/opus", "-o"])
            .args([&program, &source])
            .args(libraries)
            .status()
            .expect("gcc is there");
        assert!(built.success(), "the reference libraries are not there: deploy/install-references.sh");
        program
    })
}

/// What it makes of the input.
pub(crate) fn ask(words: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the oracle runs");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().expect("the oracle reads to the end");
    assert!(output.status.success(), "{words:?}");
    output.stdout
}

pub(crate) fn octets(pcm: &[i16]) -> Vec<u8> {
    pcm.iter().flat_map(|s| s.to_ne_bytes()).collect()
}

pub(crate) fn samples(octets: &[u8]) -> Vec<i16> {
    octets.as_chunks::<2>().0.iter().map(|pair| i16::from_ne_bytes(*pair)).collect()
}

/// Each with its length before it.
#[allow(dead_code)] // the switch's own test of G.729 has no packets
pub(crate) fn packed(packets: &[Vec<u8>]) -> Vec<u8> {
    packets.iter().flat_map(|p| (p.len() as u16).to_be_bytes().into_iter().chain(p.iter().copied())).collect()
}

#[allow(dead_code)] // as above
pub(crate) fn unpacked(mut octets: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while let Some((head, rest)) = octets.split_first_chunk() {
        let (packet, rest) = rest.split_at(usize::from(u16::from_be_bytes(*head)));
        packets.push(packet.to_vec());
        octets = rest;
    }
    packets
}
