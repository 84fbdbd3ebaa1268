//! A headless Chromium with a voice, driven by the DevTools protocol.

use crate::patience::{end_of, look_for, millis, pass, secs, wait_for};
use crate::phone::write_voice;
use media::testing::speaker_hz;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

/// A page with a telephone (`tests/browser/page.js`). Dropped, its browser is killed; after a failure it shows what it saw.
pub(crate) struct Page {
    process: Child,
    socket: WebSocket<TcpStream>,
    count: u64,
    /// Its voice.
    pub(crate) hz: f32,
    said: Vec<String>,
    library: Library,
    _dir: TempDir,
}

/// What a page speaks SIP with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    JsSip,
    SipJs,
}

impl Page {
    /// A page of the host at `origin`, with voice number `speaker`.
    pub(crate) fn open(origin: SocketAddr, speaker: usize) -> Self {
        Self::open_with(Library::JsSip, origin, speaker)
    }

    /// The same with another library.
    pub(crate) fn open_with(library: Library, origin: SocketAddr, speaker: usize) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let hz = speaker_hz(speaker);
        let voice = dir.path().join("voice.wav");
        write_voice(&voice, hz);
        let process = Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
            .args(["--remote-debugging-port=0", "--autoplay-policy=no-user-gesture-required"])
            .args(["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"])
            .arg(format!("--use-file-for-fake-audio-capture={}", voice.display()))
            .arg(format!("--user-data-dir={}", dir.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium: install it and run the cases with `make interop`");
        let port: u16 = wait_for("Chromium", secs(60), || {
            let told = std::fs::read_to_string(dir.path().join("DevToolsActivePort")).ok()?;
            told.lines().next()?.parse().ok()
        });
        let target = wait_for("its page", secs(20), || target_of(port));
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("Chromium listens");
        stream.set_read_timeout(Some(secs(60))).expect("a limit above zero");
        let (socket, _) = tungstenite::client(target.as_str(), stream).expect("Chromium takes WebSockets");
        let mut page = Self { process, socket, count: 0, hz, said: Vec::new(), library, _dir: dir };
        page.load(origin);
        page
    }

    /// Runs a script before those of each page that is loaded from now on.
    pub(crate) fn prepare(&mut self, script: &str) {
        self.command("Page.enable", &json!({}));
        self.command("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script }));
    }

    /// Its window gets this size.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Loads the page, anew if it is there.
    pub(crate) fn load(&mut self, origin: SocketAddr) {
        let program = std::fs::read_to_string(program(self.library)).expect("tests/browser is built: `make interop`");
        // Any page of the switch: what is asked of it comes from its own origin.
        self.visit(origin, "/healthz");
        self.ask(&format!("{program};0"));
    }

    /// Goes to another page of a host.
    pub(crate) fn visit(&mut self, origin: SocketAddr, path: &str) {
        self.command("Page.navigate", &json!({ "url": format!("http://{origin}{path}") }));
        wait_for("the page", secs(20), || {
            let there = format!(
                "document.readyState === 'complete' && location.host === '{origin}' && \
                 location.pathname === '{path}' && !window.phone"
            );
            (self.ask(&there) == json!(true)).then_some(())
        });
    }

    /// Loads the same page anew.
    pub(crate) fn reload(&mut self) {
        self.ask("window.former = true");
        self.command("Page.reload", &json!({}));
        wait_for("the page", secs(20), || {
            let there = self.ask("document.readyState === 'complete' && !window.former");
            (there == json!(true)).then_some(())
        });
    }

    /// The page goes without a word, as one does whose browser is killed, and is loaded anew.
    pub(crate) fn vanish(&mut self, origin: SocketAddr) {
        // Whoever says good-bye when it is unloaded finds nobody to say it to.
        self.ask("WebSocket.prototype.send = () => {}; 0");
        self.said.clear();
        self.load(origin);
    }

    /// Waits until an expression holds in the page.
    pub(crate) fn expect_that(&mut self, expression: &str, limit: Duration) {
        let mut last = Value::Null;
        let held = look_for(limit, || {
            pass(millis(100));
            last = self.ask(expression);
            (last == json!(true)).then_some(())
        });
        assert!(held.is_some(), "within {limit:?} never {expression}: {last}");
    }

    /// Clicks with the mouse on what a selector names, once it can be clicked on.
    pub(crate) fn click(&mut self, selector: &str) {
        let place = format!(
            "(() => {{ const at = document.querySelector(`{selector}`); if (!at || at.disabled) return null; \
             at.scrollIntoView({{ block: 'nearest' }}); const box = at.getBoundingClientRect(); \
             const [x, y] = [box.x + box.width / 2, box.y + box.height / 2]; \
             return at.contains(document.elementFromPoint(x, y)) ? [x, y] : null; }})()"
        );
        let place = wait_for(selector, secs(20), || {
            let place = self.ask(&place);
            Some((place[0].as_f64()?, place[1].as_f64()?))
        });
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": place.0, "y": place.1, "button": "left", "clickCount": 1 });
            self.command("Input.dispatchMouseEvent", &event);
        }
    }

    /// Types into what has the focus.
    pub(crate) fn write(&mut self, text: &str) {
        self.command("Input.insertText", &json!({ "text": text }));
    }

    /// Presses a key that writes one character.
    pub(crate) fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.command("Input.dispatchKeyEvent", &json!({ "type": kind, "key": key, "text": key }));
        }
    }

    /// Keeps what is seen now as a picture, in the folder that `PATCHBAY_SCREENSHOTS` names, if it does.
    pub(crate) fn picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("PATCHBAY_SCREENSHOTS") else { return };
        let shot = self.command("Page.captureScreenshot", &json!({ "format": "png" }));
        let picture = unpacked(shot["data"].as_str().expect("a picture"));
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), picture).expect("room on the disk");
    }

    /// Evaluates an expression in the page, and what it promises.
    pub(crate) fn ask(&mut self, expression: &str) -> Value {
        let params =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let answer = self.command("Runtime.evaluate", &params);
        let fault = &answer["exceptionDetails"];
        assert!(fault.is_null(), "{expression:.200}: {fault:#}");
        answer["result"]["value"].clone()
    }

    /// Registers and waits for it.
    pub(crate) fn register(&mut self, server: &crate::server::Server, number: &str) {
        let (http, uri, password) = (server.http(), server.uri(number), server.password(number));
        self.ask(&format!("phone.start('ws://{http}/sip', '{uri}', '{password}')"));
        self.expect("registered", secs(20));
    }

    /// Waits until the page has seen this, and forgets all up to it.
    pub(crate) fn expect(&mut self, what: &str, limit: Duration) {
        let wanted = json!(what);
        let found = look_for(limit, || {
            pass(millis(50));
            let seen = self.ask("phone.seen.splice(0)");
            self.said.extend(seen.as_array().into_iter().flatten().filter_map(|s| s.as_str().map(str::to_owned)));
            self.said.iter().position(|s| json!(s) == wanted)
        });
        let Some(at) = found else { panic!("no \"{what}\" within {limit:?}, but {:?}", self.said) };
        self.said.drain(..=at);
    }

    /// Waits until a call hears a voice, and nothing louder.
    pub(crate) fn expect_voice(&mut self, call: usize, hz: f32, limit: Duration) {
        self.expect_heard(&format!("phone.hears({call})"), hz, limit);
    }

    /// The same of whatever tells `{ hz, db }`.
    pub(crate) fn expect_heard(&mut self, ear: &str, hz: f32, limit: Duration) {
        let mut last = Value::Null;
        let heard = look_for(limit, || {
            pass(millis(100));
            last = self.ask(ear);
            let (heard, db) = (last["hz"].as_f64()?, last["db"].as_f64()?);
            ((heard - f64::from(hz)).abs() < 12.0 && db > -60.0).then_some(())
        });
        assert!(heard.is_some(), "the page does not hear {hz} Hz within {limit:?}, but {last}");
    }

    /// Waits until a call hears nothing.
    pub(crate) fn expect_silence(&mut self, call: usize, limit: Duration) {
        wait_for("silence", limit, || {
            pass(millis(100));
            let heard = self.ask(&format!("phone.hears({call})"));
            (heard["db"].as_f64()? < -70.0).then_some(())
        });
    }

    fn command(&mut self, method: &str, params: &Value) -> Value {
        self.count += 1;
        let id = self.count;
        let text = json!({ "id": id, "method": method, "params": params }).to_string();
        self.socket.send(Message::text(text)).expect("Chromium reads");
        loop {
            let Message::Text(text) = self.socket.read().expect("Chromium answers") else { continue };
            let answer: Value = serde_json::from_str(&text).expect("Chromium speaks JSON");
            if answer["id"] == json!(id) {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
        }
    }

    /// Closes the browser.
    pub(crate) fn close(mut self) {
        self.command("Browser.close", &json!({}));
        assert!(end_of(&mut self.process, secs(20)).is_some(), "Chromium does not end");
    }
}

impl Drop for Page {
    #[expect(clippy::print_stderr, reason = "a failed case shows what its pages saw")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- page of {} Hz ----\n{:?}", self.hz, self.said);
        }
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Base64 (RFC 4648 §4).
fn unpacked(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::new());
    for digit in text.bytes().filter_map(|c| DIGITS.iter().position(|d| *d == c)) {
        (bits, count) = (bits << 6 | digit as u32, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// What `npm run build` made in tests/browser.
fn program(library: Library) -> PathBuf {
    let file = match library {
        Library::JsSip => ".page.js",
        Library::SipJs => ".sipjs.js",
    };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/node_modules").join(file)
}

/// Where the DevTools of the first page listen.
fn target_of(port: u16) -> Option<String> {
    let list = ureq::get(format!("http://127.0.0.1:{port}/json/list")).call().ok()?.body_mut().read_to_string().ok()?;
    let list: Value = serde_json::from_str(&list).ok()?;
    let page = list.as_array()?.iter().find(|target| target["type"] == "page")?;
    page["webSocketDebuggerUrl"].as_str().map(str::to_owned)
}
