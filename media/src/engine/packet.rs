//! The buffer a datagram arrives in, is rewritten in, and leaves in.

/// A fixed buffer with room for one datagram, and a little head-room before it. Box it and use it again.
#[derive(Clone)]
pub struct Packet {
    bytes: [u8; Packet::HEAD + Packet::ROOM],
    start: usize,
    len: usize,
}

impl Packet {
    /// Octets before the received datagram, for what a later stage wants to put in front.
    pub const HEAD: usize = 32;
    /// The largest datagram received. One that fills it may have been cut by the kernel and is dropped by the engine.
    pub const ROOM: usize = 2048;

    /// An empty packet.
    pub const fn new() -> Self {
        Self { bytes: [0; Self::HEAD + Self::ROOM], start: Self::HEAD, len: 0 }
    }

    /// The space to receive into. Say afterwards with [`Packet::filled`] how much arrived.
    pub fn room(&mut self) -> &mut [u8] {
        self.start = Self::HEAD;
        self.len = 0;
        &mut self.bytes[Self::HEAD..]
    }

    /// `len` octets of [`Packet::room`] hold a datagram; more than there is room for counts as all of it.
    pub fn filled(&mut self, len: usize) {
        self.start = Self::HEAD;
        self.len = len.min(Self::ROOM);
    }

    /// Takes a copy of a datagram; cut at [`Packet::ROOM`].
    pub fn copy_from(&mut self, datagram: &[u8]) {
        let len = datagram.len().min(Self::ROOM);
        self.room()[..len].copy_from_slice(&datagram[..len]);
        self.filled(len);
    }

    /// The datagram.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }

    /// The datagram.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }

    /// Octets in the datagram.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True if there is no datagram in it.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The datagram and so many octets after it; `None` if they are not there.
    #[inline]
    pub(crate) fn with_room(&mut self, more: usize) -> Option<&mut [u8]> {
        self.bytes.get_mut(self.start..self.start + self.len + more)
    }

    /// The datagram has become so long; false if that is beyond the buffer.
    #[inline]
    pub(crate) fn lengthen(&mut self, len: usize) -> bool {
        let fits = self.start + len <= self.bytes.len();
        if fits {
            self.len = len;
        }
        fits
    }

    /// Keeps `len` octets that begin `front` octets into the datagram; false, and nothing done, if they are not there.
    #[inline]
    pub(crate) fn narrow(&mut self, front: usize, len: usize) -> bool {
        let fits = front + len <= self.len;
        if fits {
            self.start += front;
            self.len = len;
        }
        fits
    }
}

impl Default for Packet {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packet").field("len", &self.len).finish_non_exhaustive()
    }
}
