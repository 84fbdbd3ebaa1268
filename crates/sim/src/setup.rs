//! With what a world begins.

use crate::network::Link;
use crate::ua::digest::Hash;
use crate::zone::Zone;
use media::browser::{Certificate, Settings};
use media::clip::Clip;
use model::{Route, RouteTarget};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// That of every switch in this process: making one takes longer than a call.
static CERTIFICATE: LazyLock<Option<Arc<Certificate>>> = LazyLock::new(|| Certificate::generate().map(Arc::new));

/// A world's beginning: `Setup::new(7).workers(3).rough()`.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(crate) seed: u64,
    /// How many workers the switch has; `None`: there is no switch.
    pub(crate) workers: Option<u16>,
    pub(crate) link: Link,
    pub(crate) trunks: Vec<(String, IpAddr)>,
    pub(crate) routes: Vec<Route>,
    pub(crate) record: bool,
    pub(crate) announce: bool,
    pub(crate) media_timeout: Duration,
    pub(crate) ring_seconds: u16,
    pub(crate) max_calls: u16,
    pub(crate) ports: u16,
    pub(crate) digest: Vec<Hash>,
    pub(crate) max_calls_per_worker: usize,
    pub(crate) tunings: Vec<fn(&mut cell::Config)>,
    pub(crate) zone: Zone,
    pub(crate) peers: Vec<(String, IpAddr)>,
    pub(crate) prompts: BTreeMap<String, Arc<Clip>>,
    pub(crate) streams: bool,
}

impl Setup {
    /// One worker, a clean network, extensions that ring for 20 s, are recorded and may have 5 calls at once.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            workers: Some(1),
            link: Link::clean(),
            trunks: Vec::new(),
            routes: Vec::new(),
            record: true,
            announce: true,
            media_timeout: Duration::from_secs(60),
            ring_seconds: 20,
            max_calls: 5,
            ports: 200,
            digest: vec![Hash::Md5],
            max_calls_per_worker: 1000,
            tunings: Vec::new(),
            zone: Zone::default(),
            peers: Vec::new(),
            prompts: BTreeMap::new(),
            streams: false,
        }
    }

    /// So many workers, 1 to 4.
    pub fn workers(mut self, workers: u16) -> Self {
        self.workers = Some(workers);
        self
    }

    /// No switch at all.
    pub fn without_switch(mut self) -> Self {
        self.workers = None;
        self
    }

    /// Every line loses a tenth of the packets, delays, reorders and doubles them.
    pub fn rough(self) -> Self {
        self.link(Link::rough())
    }

    /// Every line is like this.
    pub fn link(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    /// Nothing goes wrong on any line unless a test makes it.
    pub fn is_clean(&self) -> bool {
        self.link == Link::clean()
    }

    /// A trunk whose far end is [`crate::World::trunk`]; numbers that match `number` go out by it.
    pub fn trunk(mut self, name: &str, number: &str) -> Self {
        let ip = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 100 + self.trunks.len() as u8));
        self.trunks.push((name.to_owned(), ip));
        self.routes.push(Route { record: self.record, ..Route::new(number, RouteTarget::trunk(name)) });
        self
    }

    /// The domain name system says this.
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// One more far end, which belongs to a trunk only if the zone or a tuning says so: [`crate::World::trunk`] by its name. The
    /// first is at 198.51.100.150, the next one above it.
    pub fn peer(mut self, name: &str) -> Self {
        let ip = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 150 + self.peers.len() as u8));
        self.peers.push((name.to_owned(), ip));
        self
    }

    /// The switch connects to trunks by TCP and TLS too.
    pub fn streams(mut self) -> Self {
        self.streams = true;
        self
    }

    /// Extensions' calls are not recorded.
    pub fn unrecorded(mut self) -> Self {
        self.record = false;
        for route in &mut self.routes {
            route.record = false;
        }
        self
    }

    /// Nobody is told by a tone why a call failed.
    pub fn unannounced(mut self) -> Self {
        self.announce = false;
        self
    }

    /// After this long without RTP and RTCP a leg is given up.
    pub fn media_timeout(mut self, time: Duration) -> Self {
        self.media_timeout = time;
        self
    }

    /// Extensions ring for so many seconds.
    pub fn ring_seconds(mut self, seconds: u16) -> Self {
        self.ring_seconds = seconds;
        self
    }

    /// Extensions may have so many calls at once.
    pub fn max_calls(mut self, calls: u16) -> Self {
        self.max_calls = calls;
        self
    }

    /// Challenges offer these algorithms, in this order; MD5 alone unless told otherwise.
    pub fn digest(mut self, hashes: &[Hash]) -> Self {
        self.digest = hashes.to_vec();
        self
    }

    /// Each worker carries so many calls at once.
    pub fn max_calls_per_worker(mut self, calls: usize) -> Self {
        self.max_calls_per_worker = calls;
        self
    }

    /// Workers are set up differently: whatever [`cell::Config`] knows and nothing here names.
    pub fn tuned(mut self, tuning: fn(&mut cell::Config)) -> Self {
        self.tunings.push(tuning);
        self
    }

    /// There is a prompt of this name: a steady tone of so many hertz, which is heard like a voice.
    pub fn prompt(mut self, name: &str, hertz: u16, length: Duration) -> Self {
        self.prompts.insert(name.to_owned(), Arc::new(tone(hertz, length)));
        self
    }

    /// Pages have sound: their legs are ICE and DTLS-SRTP. The handshake draws its own random numbers, so that what travels for
    /// it is not the same in every run of a seed.
    pub fn browsers(self) -> Self {
        self.tuned(|config| {
            let settings = |certificate: &Arc<Certificate>| Settings {
                certificate: Arc::clone(certificate),
                candidates: Vec::new(),
                tcp: false,
            };
            config.browsers = CERTIFICATE.as_ref().map(settings);
        })
    }

    /// Each worker has so many RTP ports.
    pub fn ports(mut self, ports: u16) -> Self {
        self.ports = ports;
        self
    }
}

/// A sound that is heard like a voice.
pub fn tone(hertz: u16, length: Duration) -> Clip {
    let samples = length.as_micros() as u64 / 125;
    Clip::from((0..samples).map(|at| crate::sound::voice_sample(hertz, at)).collect::<Vec<_>>())
}
