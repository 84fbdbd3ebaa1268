//! UDP sockets that know when the kernel received a datagram, and the wall clock those stamps use.

use std::io::IoSliceMut;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

/// Nanoseconds since 1970: the clock of the kernel's receive stamps and of the stamps in payloads.
pub type Nanos = u64;

/// One millisecond.
pub const MS: Nanos = 1_000_000;

/// Most descriptors one run may hold.
pub const MOST_DESCRIPTORS: u64 = 20_000;

/// Now, on the clock of [`Nanos`].
#[must_use]
pub fn wall() -> Nanos {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as Nanos)
}

/// A non-blocking UDP socket with receive stamps.
pub struct Udp(UdpSocket);

/// What arrived, and when the kernel got it.
pub struct Received {
    /// Length of the datagram.
    pub len: usize,
    /// Its sender.
    pub from: SocketAddrV4,
    /// When the kernel received it.
    pub at: Nanos,
}

impl Udp {
    /// Binds a socket; `buffer` asks for larger kernel buffers (one signalling socket serves all calls).
    pub fn bind(addr: SocketAddrV4, buffer: Option<usize>) -> std::io::Result<Self> {
        let socket = UdpSocket::bind(addr)?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        if let Some(bytes) = buffer {
            setsockopt(&socket, sockopt::RcvBuf, &bytes)?;
            setsockopt(&socket, sockopt::SndBuf, &bytes)?;
            // Without the privilege the system's limit stays; it is enough for moderate rates.
            let _ = setsockopt(&socket, sockopt::RcvBufForce, &bytes);
        }
        Ok(Self(socket))
    }

    /// Binds the signalling socket of one party, with an error that says what to do.
    pub fn bind_signalling(what: &str, addr: SocketAddrV4) -> Result<Self> {
        Self::bind(addr, Some(4 << 20)).with_context(|| {
            format!("binding {what} {addr}: is another load driver or server running there? Use other addresses")
        })
    }

    /// Sends one datagram; false when the kernel would not take it.
    pub fn send(&self, to: SocketAddrV4, bytes: &[u8]) -> bool {
        self.0.send_to(bytes, to).is_ok()
    }

    /// Takes one datagram, or nothing when there is none.
    pub fn receive(&self, buf: &mut [u8]) -> Option<Received> {
        let mut control = [0u8; 64];
        let mut slices = [IoSliceMut::new(buf)];
        let fd = self.0.as_raw_fd();
        // An error queued by ICMP (nobody listens there) is not a datagram; the next call sees what follows it.
        let got = recvmsg::<SockaddrIn>(fd, &mut slices, Some(&mut control), MsgFlags::MSG_DONTWAIT).ok()?;
        let stamp = got.cmsgs().ok().and_then(|mut all| {
            all.find_map(|c| match c {
                ControlMessageOwned::ScmTimestampns(stamp) => Some(nanos(stamp)),
                _ => None,
            })
        });
        let from = got.address.map(SocketAddrV4::from)?;
        Some(Received { len: got.bytes, from, at: stamp.unwrap_or_else(wall) })
    }
}

impl AsFd for Udp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn nanos(stamp: TimeSpec) -> Nanos {
    (stamp.tv_sec() as Nanos) * 1_000_000_000 + stamp.tv_nsec() as Nanos
}

/// Makes room for `wanted` descriptors, or says why that is not possible.
pub fn reserve_descriptors(wanted: u64) -> Result<()> {
    if wanted > MOST_DESCRIPTORS {
        bail!("this run needs {wanted} descriptors, the driver's limit is {MOST_DESCRIPTORS}: lower --calls");
    }
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if wanted <= soft {
        return Ok(());
    }
    if wanted > hard {
        bail!("this run needs {wanted} descriptors, the system allows {hard}: lower --calls or raise `ulimit -Hn`");
    }
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).context("raising the limit of descriptors")
}
