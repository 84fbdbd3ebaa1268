//! The whole program, with real sockets: this process plays the pages, and the phones that they call.

use crate::engine::voice;
use crate::sip::{Outgoing, Text};
use media::codec::Codec;
use media::g711::Law;
use media::testing::{Page, Talents};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const FRAME: Duration = Duration::from_millis(20);
const PAGES: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PHONES: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// What is to be measured.
pub(crate) struct Plan {
    pub(crate) target: SocketAddr,
    pub(crate) pid: u32,
    pub(crate) calls: usize,
    pub(crate) seconds: u32,
    pub(crate) talents: Talents,
}

struct Call {
    page: Page,
    /// The page's socket, and its address.
    web: (UdpSocket, SocketAddr),
    phone: UdpSocket,
    phone_sends_to: Option<SocketAddr>,
    dialog: Outgoing,
    frames: u64,
    heard: [u64; 2],
}

struct Driver<'a> {
    plan: &'a Plan,
    caller: UdpSocket,
    callee: UdpSocket,
    calls: Vec<Call>,
    /// What pages and phones say, 20 ms of it.
    said: [Vec<u8>; 2],
    buffer: Vec<u8>,
}

/// Puts the calls up, lets them speak, and prints what they cost.
pub(crate) fn run(plan: &Plan) -> Result<(), String> {
    let text = |what: &str, e: std::io::Error| format!("{what}: {e}");
    let page_codec = if plan.talents.opus { Codec::Opus } else { Codec::G711(Law::Mu) };
    let bind = |ip: Ipv4Addr, port: u16| {
        let socket = UdpSocket::bind((ip, port)).map_err(|e| text(&format!("{ip}:{port}"), e))?;
        socket.set_nonblocking(true).map_err(|e| text("a socket", e))?;
        Ok::<_, String>(socket)
    };
    let mut driver = Driver {
        plan,
        caller: bind(PAGES, 0)?,
        callee: bind(PHONES, 5090)?,
        calls: Vec::new(),
        said: [voice(page_codec), voice(Codec::G711(Law::Mu))],
        buffer: vec![0; 65_536],
    };
    let idle_kb = memory_kb(plan.pid)?;
    for n in 0..plan.calls {
        let (web, phone) = (bind(PAGES, 0)?, bind(PHONES, 0)?);
        driver.dial(n, web, phone)?;
    }
    driver.speak(Duration::from_secs(3));
    let up_kb = memory_kb(plan.pid)?;
    let before = (cpu_ns(plan.pid)?, cpu_ns(std::process::id())?, Instant::now(), driver.heard());
    driver.speak(Duration::from_secs(plan.seconds.into()));
    let (server, own, time) =
        (cpu_ns(plan.pid)? - before.0, cpu_ns(std::process::id())? - before.1, before.2.elapsed());
    let heard = driver.heard();
    driver.hang_up();
    let percent = |ns: u64| ns as f64 / time.as_nanos() as f64 * 100.0;
    let calls = plan.calls as f64;
    let expected = calls * time.as_secs_f64() / FRAME.as_secs_f64();
    let arrived = |side: usize| (heard[side] - before.3[side]) as f64 / expected * 100.0;
    println!(
        "{} calls {}: {:.3} % of a core a call, {:.0} kB a call (two legs); heard of what was said: pages {:.1} %, phones {:.1} %; \
         driver {:.0} % of a core",
        plan.calls,
        if plan.talents.opus { "Opus to PCMU" } else { "PCMU relayed" },
        percent(server) / calls,
        up_kb.saturating_sub(idle_kb) as f64 / calls,
        arrived(0),
        arrived(1),
        percent(own),
    );
    Ok(())
}

impl Driver<'_> {
    /// Brings one call about, its handshake included.
    fn dial(&mut self, n: usize, web: UdpSocket, phone: UdpSocket) -> Result<(), String> {
        let io = |e: std::io::Error| e.to_string();
        let (at, own) = (web.local_addr().map_err(io)?, self.caller.local_addr().map_err(io)?);
        let mut page = Page::new(at, self.plan.talents, Instant::now());
        let offer = String::from_utf8_lossy(&page.offer("sendrecv", false)).into_owned();
        let call_id = format!("c{n}x{}", std::process::id());
        let dialog = Outgoing::new(call_id, own, self.plan.target);
        let invite = dialog.request("INVITE", 1, &offer);
        self.calls.push(Call { page, web: (web, at), phone, phone_sends_to: None, dialog, frames: 0, heard: [0; 2] });
        let until = Instant::now() + Duration::from_secs(10);
        let mut again = Instant::now();
        let mut answered = false;
        while Instant::now() < until {
            if !answered && Instant::now() >= again {
                self.send(&invite);
                again += Duration::from_millis(500);
            }
            answered |= self.signal(n)?;
            self.serve(n);
            if answered && self.calls[n].page.connected {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(format!("call {n} did not come about ({})", if answered { "no handshake" } else { "no answer" }))
    }

    fn send(&self, text: &str) {
        // What is lost is said again.
        let _ = self.caller.send_to(text.as_bytes(), self.plan.target);
    }

    /// Takes what SIP came; true if call `n` was answered.
    fn signal(&mut self, n: usize) -> Result<bool, String> {
        let mut answered = false;
        while let Ok((len, from)) = self.callee.recv_from(&mut self.buffer) {
            let message = Text(String::from_utf8_lossy(&self.buffer[..len]).into_owned());
            let own = SocketAddr::from((PHONES, 5090));
            if message.is_request("INVITE") {
                let call = &mut self.calls[n];
                call.phone_sends_to = sound_at(message.body());
                let port = call.phone.local_addr().map_err(|e| e.to_string())?.port();
                let answer = format!(
                    "v=0\r\no=- 1 1 IN IP4 {PHONES}\r\ns=-\r\nc=IN IP4 {PHONES}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
                );
                let _ = self.callee.send_to(message.answer("200 OK", own, &answer).as_bytes(), from);
            } else if !message.is_request("ACK") && message.status().is_none() {
                let _ = self.callee.send_to(message.answer("200 OK", own, "").as_bytes(), from);
            }
        }
        while let Ok((len, _)) = self.caller.recv_from(&mut self.buffer) {
            let message = Text(String::from_utf8_lossy(&self.buffer[..len]).into_owned());
            let Some((status, "INVITE")) = message.status() else { continue };
            let ours = message.header("Call-ID").starts_with(&format!("{}@", self.calls[n].dialog.call_id));
            if !ours || status < 200 {
                continue;
            }
            if status >= 300 {
                return Err(format!("call {n} was refused: {status}"));
            }
            let call = &mut self.calls[n];
            call.dialog.follow(&message);
            // A repeated 200 brings nothing new.
            if call.page.is_waiting() {
                call.page.take_answer(message.body().as_bytes(), Instant::now())?;
            }
            let ack = call.dialog.request("ACK", 1, "");
            self.send(&ack);
            answered = true;
        }
        Ok(answered)
    }

    /// Takes what came to a call's sockets, and sends what its page has to send.
    fn serve(&mut self, n: usize) {
        let call = &mut self.calls[n];
        let now = Instant::now();
        while let Ok((len, from)) = call.web.0.recv_from(&mut self.buffer) {
            call.page.handle_datagram(from, call.web.1, &self.buffer[..len], now);
        }
        call.page.handle_timeout(now);
        for sent in std::mem::take(&mut call.page.sent) {
            let _ = call.web.0.send_to(&sent.data, sent.to);
        }
        call.heard[0] += std::mem::take(&mut call.page.heard).len() as u64;
        while call.phone.recv_from(&mut self.buffer).is_ok() {
            call.heard[1] += 1;
        }
    }

    /// Both sides of all calls speak, one call after the other within each 20 ms.
    fn speak(&mut self, time: Duration) {
        let (begun, count) = (Instant::now(), self.calls.len() as u32);
        let turns = (time.as_millis() / FRAME.as_millis()) as u32 * count;
        for turn in 0..turns {
            let due = begun + FRAME * (turn / count) + FRAME * (turn % count) / count;
            let early = due.saturating_duration_since(Instant::now());
            if early > Duration::from_micros(200) {
                std::thread::sleep(early);
            }
            let n = (turn % count) as usize;
            self.say(n);
            self.serve(n);
        }
    }

    fn say(&mut self, n: usize) {
        let call = &mut self.calls[n];
        let (payload_type, ticks) = if self.plan.talents.opus { (111, 960) } else { (0, 160) };
        call.page.speak(payload_type, call.frames * ticks, &self.said[0], None, Instant::now());
        if let Some(to) = call.phone_sends_to {
            let mut packet = vec![0x80, 0];
            packet.extend((call.frames as u16).to_be_bytes());
            packet.extend((call.frames as u32 * 160).to_be_bytes());
            packet.extend((n as u32 + 1).to_be_bytes());
            packet.extend(&self.said[1]);
            let _ = call.phone.send_to(&packet, to);
        }
        call.frames += 1;
    }

    fn heard(&self) -> [u64; 2] {
        [0, 1].map(|side| self.calls.iter().map(|call| call.heard[side]).sum())
    }

    fn hang_up(&mut self) {
        for call in &self.calls {
            self.send(&call.dialog.request("BYE", 2, ""));
            std::thread::sleep(Duration::from_millis(2));
        }
        for _ in 0..50 {
            // Whatever is said now changes nothing any more.
            let _ = self.signal(0);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Where a description wants sound.
fn sound_at(sdp: &str) -> Option<SocketAddr> {
    let ip = sdp.lines().find_map(|line| line.strip_prefix("c=IN IP4 "))?;
    let port = sdp.lines().find_map(|line| line.strip_prefix("m=audio "))?.split(' ').next()?;
    Some(SocketAddr::new(ip.trim().parse().ok()?, port.parse().ok()?))
}

/// What all threads of a process have run, nanoseconds.
fn cpu_ns(pid: u32) -> Result<u64, String> {
    let wrong = |e: std::io::Error| format!("process {pid}: {e}");
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).map_err(wrong)?;
    let clocks = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    Ok(clocks.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum())
}

/// Resident memory.
fn memory_kb(pid: u32) -> Result<u64, String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|e| format!("process {pid}: {e}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
    kb.ok_or_else(|| format!("process {pid} has no memory"))
}
