//! G.729 by the library of Belledonne, libbcg729, where the operator has installed it and names its file: it is loaded at
//! run time and never linked, because its licence is the GPL.
#![allow(unsafe_code)] // the one place that calls a C library; each use says why it is sound

use media::codec::g729::{FRAME, FRAME_OCTETS, Frame, FrameDecoder, FrameEncoder, Library};
use nix::libc;
use std::ffi::{CStr, CString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

type Channel = NonNull<c_void>;
type Opened = *mut c_void;

/// The functions of `bcg729/encoder.h` and `decoder.h`, from version 1.0.2 on.
#[derive(Clone, Copy, Debug)]
struct Functions {
    open_encoder: unsafe extern "C" fn(vad: u8) -> Opened,
    close_encoder: unsafe extern "C" fn(channel: Opened),
    encode: unsafe extern "C" fn(channel: Opened, pcm: *const i16, octets: *mut u8, len: *mut u8),
    open_decoder: unsafe extern "C" fn() -> Opened,
    close_decoder: unsafe extern "C" fn(channel: Opened),
    decode: unsafe extern "C" fn(
        channel: Opened,
        octets: *const u8,
        len: u8,
        lost: u8,
        noise: u8,
        rfc3389: u8,
        pcm: *mut i16,
    ),
}

/// The library, which stays loaded as long as the process lives.
#[derive(Debug)]
pub struct Bcg729(Functions);

impl Bcg729 {
    /// Loads it from a file. The error says what is wrong with that.
    pub fn load(path: &Path) -> Result<Self, String> {
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| "the path holds a zero".to_owned())?;
        // SAFETY: the name is a C string. The library's initialisers run: the operator named this file to be run.
        let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if library.is_null() {
            return Err(last_error());
        }
        let find = |name: &CStr| {
            // SAFETY: the library is open and never closed, the name is a C string.
            let found = unsafe { libc::dlsym(library, name.as_ptr()) };
            if found.is_null() { Err(format!("{} is not in it", name.to_string_lossy())) } else { Ok(found) }
        };
        // Older versions have the same names with other arguments; this one came with the present ones (1.0.2).
        find(c"bcg729GetRFC3389Payload")?;
        // SAFETY: the types are those of the headers of 1.0.2 and later, which the line above has made sure of.
        let functions = unsafe {
            Functions {
                open_encoder: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(u8) -> Opened>(find(
                    c"initBcg729EncoderChannel",
                )?),
                close_encoder: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(Opened)>(find(
                    c"closeBcg729EncoderChannel",
                )?),
                encode: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(Opened, *const i16, *mut u8, *mut u8)>(
                    find(c"bcg729Encoder")?,
                ),
                open_decoder: std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> Opened>(find(
                    c"initBcg729DecoderChannel",
                )?),
                close_decoder: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(Opened)>(find(
                    c"closeBcg729DecoderChannel",
                )?),
                decode: std::mem::transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(Opened, *const u8, u8, u8, u8, u8, *mut i16),
                >(find(c"bcg729Decoder")?),
            }
        };
        Ok(Self(functions))
    }
}

fn last_error() -> String {
    // SAFETY: dlerror gives a C string that lives until this thread's next dl call, or null.
    let text = unsafe {
        let text = libc::dlerror();
        if text.is_null() { None } else { Some(CStr::from_ptr(text).to_string_lossy().into_owned()) }
    };
    text.unwrap_or_else(|| "it cannot be loaded".to_owned())
}

impl Library for Bcg729 {
    fn encoder(&self) -> Option<Box<dyn FrameEncoder>> {
        // SAFETY: it takes no pointer; no silence suppression.
        let channel = NonNull::new(unsafe { (self.0.open_encoder)(0) })?;
        Some(Box::new(Encoder { channel, functions: self.0 }))
    }

    fn decoder(&self) -> Option<Box<dyn FrameDecoder>> {
        // SAFETY: it takes nothing.
        let channel = NonNull::new(unsafe { (self.0.open_decoder)() })?;
        Some(Box::new(Decoder { channel, functions: self.0 }))
    }
}

#[derive(Debug)]
struct Encoder {
    channel: Channel,
    functions: Functions,
}

// SAFETY: a channel is plain memory of its own, not bound to a thread; `&mut self` sees to one user at a time.
unsafe impl Send for Encoder {}

impl FrameEncoder for Encoder {
    fn encode(&mut self, pcm: &[i16; FRAME]) -> [u8; FRAME_OCTETS] {
        let (mut octets, mut len) = ([0; FRAME_OCTETS], 0);
        // SAFETY: the channel is open; it reads 80 samples and writes at most 10 octets and the length.
        unsafe { (self.functions.encode)(self.channel.as_ptr(), pcm.as_ptr(), octets.as_mut_ptr(), &raw mut len) };
        octets
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: the channel is open, and nobody uses it after this.
        unsafe { (self.functions.close_encoder)(self.channel.as_ptr()) }
    }
}

#[derive(Debug)]
struct Decoder {
    channel: Channel,
    functions: Functions,
}

// SAFETY: as for the encoder.
unsafe impl Send for Decoder {}

impl FrameDecoder for Decoder {
    fn decode(&mut self, frame: Frame<'_>) -> [i16; FRAME] {
        let mut pcm = [0; FRAME];
        // A lost frame is read too in some versions: its content does not matter, its length does.
        let nothing = [0; FRAME_OCTETS];
        let (octets, lost, noise): (&[u8], _, _) = match frame {
            Frame::Speech(octets) => (octets, 0, 0),
            Frame::Noise(octets) => (octets, 0, 1),
            Frame::Lost => (&nothing, 1, 0),
        };
        let (from, len) = (octets.as_ptr(), octets.len() as u8);
        // SAFETY: the channel is open; it reads the octets and writes 80 samples.
        unsafe { (self.functions.decode)(self.channel.as_ptr(), from, len, lost, noise, 0, pcm.as_mut_ptr()) };
        pcm
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the channel is open, and nobody uses it after this.
        unsafe { (self.functions.close_decoder)(self.channel.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_such_library_is_refused_with_its_reason() {
        let error = Bcg729::load(Path::new("/nowhere/libbcg729.so")).unwrap_err();
        assert!(error.contains("/nowhere/libbcg729.so"), "{error}");
        let error = Bcg729::load(Path::new("libc.so.6")).unwrap_err();
        assert!(error.contains("bcg729GetRFC3389Payload"), "{error}");
    }
}
