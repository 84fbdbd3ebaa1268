//! `/metrics`: what the workers counted, in Prometheus' text format 0.0.4. Gathered when asked, so that an idle switch sleeps.

use crate::net::streams::{Cause, StreamCounts};
use crate::recorder::RecorderFigures;
use crate::worker::Figures;
use model::{TrunkState, TrunkStatus};
use std::fmt::{Display, Write as _};
use store::WriterFigures;

/// Everything a scrape shows.
#[derive(Debug, Default)]
pub struct Gathered {
    /// One per worker; `None` for one that did not answer.
    pub workers: Vec<Option<Box<Figures>>>,
    /// The recording thread.
    pub recorder: RecorderFigures,
    /// Recordings put into the store of objects, refused by it, and waiting for it.
    pub uploads: [u64; 3],
    /// SIP streams.
    pub streams: StreamCounts,
    /// The writer of call records.
    pub records: WriterFigures,
    /// Messages sent to the capture server, and those dropped.
    pub hep: (u64, u64),
    /// Ladders that the disk did not take.
    pub ladders_dropped: u64,
    /// The process.
    pub process: Process,
    /// The trunks; none where they could not be asked.
    pub trunks: Vec<TrunkStatus>,
}

/// The process as the system sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Resident memory, octets.
    pub resident: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// User and system time, seconds.
    pub cpu_seconds: f64,
    /// Since the start, seconds.
    pub up_seconds: f64,
}

impl Process {
    /// Now, for a process started at `since`.
    pub fn read(since: std::time::Instant) -> Self {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages: u64 = statm.split_ascii_whitespace().nth(1).and_then(|p| p.parse().ok()).unwrap_or(0);
        let page = rustix::param::page_size() as u64;
        let cpu_seconds = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Self {
            resident: pages * page,
            open_files: std::fs::read_dir("/proc/self/fd").map_or(0, |dir| dir.count() as u64),
            cpu_seconds: cpu_seconds.tv_sec as f64 + cpu_seconds.tv_nsec as f64 / 1e9,
            up_seconds: since.elapsed().as_secs_f64(),
        }
    }
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP patchbay_{name} {help}\n# TYPE patchbay_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.0, "patchbay_{name}");
        for (i, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{text}\"", if i == 0 { "{" } else { "," });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn by(&mut self, name: &str, kind: &str, help: &str, label: &str, values: &[(&str, u64)]) {
        self.family(name, kind, help);
        for (text, value) in values {
            self.sample(name, &[(label, text)], value);
        }
    }
}

/// The page.
pub fn render(gathered: &Gathered) -> String {
    let workers: Vec<&Figures> = gathered.workers.iter().flatten().map(AsRef::as_ref).collect();
    let sum = |of: &dyn Fn(&Figures) -> u64| workers.iter().map(|w| of(w)).sum::<u64>();
    let mut page = Page(String::with_capacity(8192));

    page.one("workers", "gauge", "Worker threads.", gathered.workers.len());
    page.one("workers_alive", "gauge", "Worker threads that answer.", workers.len());
    alive(&mut page, &sum);
    counted(&mut page, &sum, &workers);
    sip(&mut page, &sum);
    streams(&mut page, &gathered.streams);
    sound(&mut page, &sum);
    kept(&mut page, &sum, gathered);
    trunks(&mut page, &gathered.trunks);
    let Process { resident, open_files, cpu_seconds, up_seconds } = gathered.process;
    page.one("resident_memory_bytes", "gauge", "Resident memory of the process.", resident);
    page.one("open_files", "gauge", "Open file descriptors.", open_files);
    page.one("cpu_seconds_total", "counter", "User and system time.", format_args!("{cpu_seconds:.3}"));
    page.one("uptime_seconds", "gauge", "Time since the start.", format_args!("{up_seconds:.0}"));
    page.0
}

type Sum<'a> = dyn Fn(&dyn Fn(&Figures) -> u64) -> u64 + 'a;

fn alive(page: &mut Page, sum: &Sum<'_>) {
    page.one("calls", "gauge", "Calls that exist now.", sum(&|w| w.counts.calls as u64));
    page.one("legs", "gauge", "Legs that have a SIP session now.", sum(&|w| w.counts.legs as u64));
    page.one("media_ports", "gauge", "Media ports in use now.", sum(&|w| w.counts.ports as u64));
    page.one(
        "media_ports_bound",
        "gauge",
        "Media ports with sockets: in use, spare, resting.",
        sum(&|w| w.shell.ports_bound),
    );
    page.one("sip_sessions", "gauge", "SIP sessions now.", sum(&|w| w.counts.sessions as u64));
    page.one("sip_transactions", "gauge", "SIP transactions now.", sum(&|w| w.counts.transactions as u64));
    page.one(
        "calls_lingering",
        "gauge",
        "Ended calls kept for their last messages.",
        sum(&|w| w.counts.lingering as u64),
    );
    page.one("registrations", "gauge", "Registered contacts.", sum(&|w| w.counts.bindings as u64));
}

fn trunks(page: &mut Page, trunks: &[TrunkStatus]) {
    if trunks.is_empty() {
        return;
    }
    let mut each = |name: &str, kind: &str, help: &str, value: &dyn Fn(&TrunkStatus) -> Option<f64>| {
        page.family(name, kind, help);
        for trunk in trunks {
            if let Some(value) = value(trunk) {
                let label = trunk.name.replace('\\', "\\\\").replace('"', "\\\"");
                page.sample(name, &[("trunk", &label)], value);
            }
        }
    };
    let is_up = |trunk: &TrunkStatus| Some(f64::from(trunk.state == TrunkState::Up));
    each("trunk_up", "gauge", "1: the trunk can be called.", &is_up);
    each("trunk_calls", "gauge", "Calls over the trunk now.", &|trunk| Some(trunk.calls.into()));
    let trip = |trunk: &TrunkStatus| trunk.round_trip_us.map(|us| us as f64 / 1e6);
    each("trunk_round_trip_seconds", "gauge", "Smoothed round trip of OPTIONS.", &trip);
    let refused = |trunk: &TrunkStatus| Some(trunk.refused as f64);
    each("trunk_calls_refused_total", "counter", "Calls turned away by a limit of the trunk.", &refused);
}

fn counted(page: &mut Page, sum: &Sum<'_>, workers: &[&Figures]) {
    page.family("calls_ended_total", "counter", "Calls that ended, by outcome.");
    let mut outcomes = std::collections::BTreeMap::new();
    for (outcome, calls) in workers.iter().flat_map(|w| &w.stats.calls) {
        *outcomes.entry(outcome.name()).or_insert(0) += calls;
    }
    for (outcome, calls) in outcomes {
        page.sample("calls_ended_total", &[("outcome", outcome)], calls);
    }
    page.one("registers_total", "counter", "Successful registrations and refreshes.", sum(&|w| w.stats.registered));
    page.one(
        "wrong_credentials_total",
        "counter",
        "Requests with wrong credentials.",
        sum(&|w| w.stats.wrong_credentials),
    );
    page.one(
        "ignored_total",
        "counter",
        "Requests of sources that are ignored for a while.",
        sum(&|w| w.stats.ignored),
    );
    page.one("bans_total", "counter", "Sources that were banned.", sum(&|w| w.stats.bans));
    page.one("users_limited_total", "counter", "Requests of users who ask too often.", sum(&|w| w.stats.too_often));
    let turned_away = [
        ("banned", sum(&|w| w.stats.screen.banned)),
        ("limited", sum(&|w| w.stats.screen.limited)),
        ("scanner", sum(&|w| w.stats.screen.scanners)),
    ];
    page.by("sip_unheard_total", "counter", "Messages dropped unread, by cause.", "cause", &turned_away);
    let browsers = [
        ("unknown", sum(&|w| w.stats.browsers.unknown)),
        ("forged", sum(&|w| w.stats.browsers.forged)),
        ("refused", sum(&|w| w.stats.browsers.refused)),
    ];
    page.by("browser_strangers_total", "counter", "Datagrams and handshakes of no browser.", "cause", &browsers);
    let waiting = |class: usize| sum(&|w| w.stats.intake_dropped[class]);
    let full = [("established", waiting(0)), ("known", waiting(1)), ("call", waiting(2)), ("stranger", waiting(3))];
    page.by("sip_queue_full_total", "counter", "Messages dropped because too many waited, by class.", "class", &full);
    page.one("calls_shed_total", "counter", "New calls turned away under overload.", sum(&|w| w.stats.sip.shed));
    page.one(
        "calls_held_back_total",
        "counter",
        "Calls not sent because the far end asked for fewer (RFC 7339).",
        sum(&|w| w.stats.sip.held_back),
    );
    page.one(
        "shedding_permille",
        "gauge",
        "New calls turned away now, of a thousand, summed over workers.",
        sum(&|w| w.stats.shedding.into()),
    );
}

fn sip(page: &mut Page, sum: &Sum<'_>) {
    page.one("sip_received_total", "counter", "Signalling datagrams received.", sum(&|w| w.shell.datagrams_in));
    page.one("sip_sent_total", "counter", "Signalling datagrams sent.", sum(&|w| w.shell.datagrams_out));
    page.one("sip_resent_total", "counter", "Of those sent, repetitions.", sum(&|w| w.stats.sip.resent));
    page.one(
        "spending_alerts_total",
        "counter",
        "Daily caps of spending that were near (80 %) or reached.",
        sum(&|w| w.stats.spending_alerts),
    );
    page.one("sip_forwarded_total", "counter", "Datagrams handed to another worker.", sum(&|w| w.stats.forwarded));
    page.one("sip_keep_alives_total", "counter", "Keep-alives of phones.", sum(&|w| w.stats.sip.keep_alives));
    let dropped = [
        ("garbage", sum(&|w| w.stats.sip.garbage)),
        ("malformed", sum(&|w| w.stats.sip.malformed_dropped)),
        ("stray_response", sum(&|w| w.stats.sip.stray_responses)),
        ("stray_ack", sum(&|w| w.stats.sip.stray_acks)),
        ("full_inbox", sum(&|w| w.shell.dropped_full_inbox)),
        ("unsent", sum(&|w| w.shell.unsent)),
    ];
    page.by("sip_dropped_total", "counter", "Signalling datagrams dropped, by cause.", "cause", &dropped);
    let refused = [
        ("malformed", sum(&|w| w.stats.sip.malformed_answered)),
        ("rule", sum(&|w| w.stats.sip.refused)),
        ("overloaded", sum(&|w| w.stats.sip.overloaded)),
    ];
    page.by("sip_refused_total", "counter", "Requests refused by the SIP layer, by cause.", "cause", &refused);
    let failed = [
        ("timeout", sum(&|w| w.stats.sip.timeouts)),
        ("unacknowledged", sum(&|w| w.stats.sip.unacknowledged)),
        ("transport", sum(&|w| w.stats.sip.transport_failures)),
    ];
    page.by(
        "sip_transactions_failed_total",
        "counter",
        "Transactions that came to nothing, by cause.",
        "cause",
        &failed,
    );
}

fn streams(page: &mut Page, counts: &StreamCounts) {
    let [tcp, tls, ws, wss] = counts.open;
    let open = [("tcp", tcp), ("tls", tls), ("ws", ws), ("wss", wss)];
    page.by("sip_streams", "gauge", "SIP streams that are open now.", "transport", &open);
    page.one("sip_streams_silent", "gauge", "SIP streams without a message so far.", counts.unproven);
    page.one("sip_streams_accepted_total", "counter", "SIP streams let in.", counts.accepted);
    page.one("sip_streams_connected_total", "counter", "SIP streams that we opened.", counts.connected);
    page.one("sip_stream_messages_received_total", "counter", "SIP messages that came by streams.", counts.received);
    page.one("sip_stream_messages_sent_total", "counter", "SIP messages sent by streams.", counts.sent);
    page.one("sip_stream_pings_total", "counter", "Keep-alives of streams that were answered.", counts.pings);
    let causes: Vec<_> = Cause::ALL.iter().map(|cause| cause.name()).zip(counts.causes.iter().copied()).collect();
    page.by(
        "sip_streams_ended_badly_total",
        "counter",
        "SIP streams refused, ended or not come about, by cause.",
        "cause",
        &causes,
    );
}

fn sound(page: &mut Page, sum: &Sum<'_>) {
    page.one("media_packets_received_total", "counter", "RTP and RTCP packets received.", sum(&|w| w.shell.sound_in));
    let sent = [("relayed", sum(&|w| w.shell.sound_forwarded)), ("made", sum(&|w| w.shell.sound_made))];
    page.by("media_packets_sent_total", "counter", "RTP and RTCP packets sent.", "origin", &sent);
    page.one(
        "media_packets_unsent_total",
        "counter",
        "Packets that the system did not take.",
        sum(&|w| w.shell.sound_unsent),
    );
    page.one("worker_rounds_total", "counter", "Times a worker woke up.", sum(&|w| w.shell.rounds));
    page.one("worker_panics_total", "counter", "Steps that panicked. Report them.", sum(&|w| w.shell.panics));
    page.one(
        "worker_envelopes_waiting",
        "gauge",
        "Messages between workers that wait for room.",
        sum(&|w| w.shell.envelopes_waiting),
    );
}

fn kept(page: &mut Page, sum: &Sum<'_>, gathered: &Gathered) {
    let RecorderFigures { open, backlog, octets, failed, low } = gathered.recorder;
    page.one("recordings", "gauge", "Recordings that are being written.", open);
    page.one("recordings_backlog", "gauge", "Pages that wait for the disk.", backlog);
    page.one("recorded_bytes_total", "counter", "Sound written.", octets);
    page.one("recordings_failed_total", "counter", "Recordings that failed.", failed);
    let [stored, refused, waiting] = gathered.uploads;
    page.one("recordings_stored_total", "counter", "Recordings put into the store of objects.", stored);
    page.one("recordings_store_refused_total", "counter", "Times that the store did not take a recording.", refused);
    page.one("recordings_store_waiting", "gauge", "Recordings that wait for the store.", waiting);
    page.one("recordings_disk_low", "gauge", "1 while the disk has too little room to record.", u64::from(low));
    page.one(
        "recordings_overrun_total",
        "counter",
        "Recordings given up because the disk was too slow.",
        sum(&|w| w.shell.recordings_overrun),
    );
    page.one(
        "hot_store_errors_total",
        "counter",
        "State that was not kept safe from a crash at once.",
        sum(&|w| w.shell.hot_errors),
    );
    let hep = [("sent", gathered.hep.0), ("dropped", gathered.hep.1)];
    page.by("hep_messages_total", "counter", "Messages for the capture server.", "result", &hep);
    let WriterFigures { stored, retries, waiting, lost, behind, .. } = gathered.records;
    page.one("records_stored_total", "counter", "Call records written to the database.", stored);
    page.one(
        "records_retries_total",
        "counter",
        "Transactions with call records that failed and were tried again.",
        retries,
    );
    page.one("records_waiting", "gauge", "Call records that wait for the database.", waiting);
    page.one("records_lost_total", "counter", "Call records that found nowhere to stay.", lost);
    page.one("ladders_dropped_total", "counter", "SIP ladders that were not kept.", gathered.ladders_dropped);
    page.one("records_behind", "gauge", "1 while call records wait on the disk for the database.", u8::from(behind));
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Outcome;

    #[test]
    fn workers_are_summed_and_every_line_is_well_formed() {
        let mut one = Figures::default();
        one.counts.calls = 2;
        one.stats.calls.insert(Outcome::Answered, 5);
        let mut two = Figures::default();
        two.counts.calls = 3;
        two.stats.calls.insert(Outcome::Answered, 1);
        two.stats.calls.insert(Outcome::Busy, 1);
        let gathered =
            Gathered { workers: vec![Some(Box::new(one)), Some(Box::new(two)), None], ..Gathered::default() };
        let page = render(&gathered);
        for line in [
            "patchbay_workers 3",
            "patchbay_workers_alive 2",
            "patchbay_calls 5",
            "patchbay_calls_ended_total{outcome=\"answered\"} 6",
            "patchbay_calls_ended_total{outcome=\"busy\"} 1",
            "patchbay_sip_dropped_total{cause=\"garbage\"} 0",
        ] {
            assert!(page.lines().any(|l| l == line), "{line} in\n{page}");
        }
        for line in page.lines().filter(|l| !l.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let family = name.split('{').next().unwrap();
            assert!(page.contains(&format!("# TYPE {family} ")), "{line}");
        }
    }

    #[test]
    fn the_process_is_read() {
        let process = Process::read(std::time::Instant::now());
        assert!(process.resident > 100_000 && process.open_files > 2);
    }
}
