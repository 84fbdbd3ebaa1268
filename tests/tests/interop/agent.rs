//! The agent's page at `/`, by clicks and keys in a real browser.

use crate::chromium::Page;
use crate::patience::{millis, pass, secs};
use crate::phone::{Account, Phone};
use crate::server::{Server, Setup};
use std::time::Duration;

/// How long a handshake may take on a busy machine.
const SOON: Duration = secs(20);

/// What a page hears in the call that came last.
const LAST: &str = "ears.hears(-1)";

/// What listens in the page.
const EAR: &str = include_str!("../../browser/ear.js");

/// The agent of an extension at a window of the usual laptop, with a microphone that takes a tone for a voice.
struct Agent {
    page: Page,
}

impl Agent {
    /// Opens the page; nobody is logged in.
    fn open(server: &Server, speaker: usize) -> Self {
        let mut page = Page::open(server.http(), speaker);
        page.resize(1366, 768);
        page.prepare(EAR);
        page.visit(server.http(), "/");
        Self { page }
    }

    /// The same, and logs in.
    fn at(server: &Server, number: &str, speaker: usize) -> Self {
        let mut agent = Self::open(server, speaker);
        agent.log_in(number, server.password(number));
        agent.expect_ready();
        agent.hear_tones();
        agent
    }

    fn log_in(&mut self, user: &str, password: &str) {
        self.page.click("#user");
        self.page.ask("document.getElementById('user').value = ''; document.getElementById('password').value = '';");
        self.page.write(user);
        self.page.click("#password");
        self.page.write(password);
        self.page.click("[data-act=log-in]");
    }

    fn expect_ready(&mut self) {
        self.page.expect_that("document.querySelector('.standing')?.dataset.standing === 'ready'", SOON);
    }

    /// What makes speech better takes a tone for noise.
    fn hear_tones(&mut self) {
        self.page.click("[data-act=sound]");
        for setting in ["noise", "echo", "gain"] {
            self.page.click(&format!("[data-setting={setting}]"));
        }
        self.page.expect_that(
            "parseFloat(document.querySelector('dialog[open] .meter').style.getPropertyValue('--level')) > 0.4",
            SOON,
        );
        self.page.picture("sound");
        self.page.click("dialog[open] header button");
    }

    fn dial(&mut self, number: &str) {
        self.page.click("#number");
        self.page.write(number);
        self.page.click("[data-act=call]");
    }

    /// Waits until the card of a number is in a state.
    fn expect_card(&mut self, number: &str, state: &str) {
        self.page.expect_that(
            &format!("document.querySelector('.card[data-number=\"{number}\"]')?.dataset.state === '{state}'"),
            SOON,
        );
    }

    fn expect_no_cards(&mut self) {
        self.page.expect_that("document.querySelector('.card') === null", SOON);
    }

    /// Clicks on a button of a card.
    fn act(&mut self, number: &str, what: &str) {
        self.page.click(&format!(".card[data-number=\"{number}\"] [data-act={what}]"));
    }

    fn hears(&mut self, hz: f32) {
        self.page.expect_heard(LAST, hz, SOON);
    }

    fn hears_nobody(&mut self, hz: f32) {
        self.page.expect_that(&format!("(({{ hz, db }}) => db < -60 || Math.abs(hz - {hz}) > 100)({LAST})"), SOON);
    }

    /// Waits for a text somewhere on the page.
    fn reads(&mut self, selector: &str, text: &str) {
        self.page.expect_that(
            &format!("document.querySelector(`{selector}`)?.textContent.includes(`{text}`) ?? false"),
            SOON,
        );
    }
}

fn desk(server: &Server, number: &str, speaker: usize, answers: bool) -> Phone {
    let account = Account { number, server: Some((server.sip(), server.password(number))), answers, codec: "PCMU" };
    Phone::start(&account, speaker)
}

#[test]
fn two_agents_work_by_clicks() {
    let server = Server::start(Setup::default());
    let mut one = Agent::open(&server, 0);
    one.page.picture("login");
    one.log_in("1001", "not the password");
    one.reads("#login-problem", "Wrong user name or password");
    one.log_in("1001", server.password("1001"));
    one.expect_ready();
    one.page.picture("idle");
    one.hear_tones();
    let mut other = Agent::at(&server, "1002", 1);
    let (one_hz, other_hz) = (one.page.hz, other.page.hz);

    for key in ["1", "0", "0", "2"] {
        one.page.click(&format!(".dialler [data-key=\"{key}\"]"));
    }
    one.page.click("[data-act=call]");
    other.expect_card("1001", "ringing");
    other.reads(".card h3", "Demo 1001");
    one.page.picture("calling");
    other.page.picture("ringing");
    // Without a microphone it goes on ringing, and the page says what to do.
    other
        .page
        .ask("navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); }; 0");
    other.act("1001", "answer");
    other.reads(".notice", "The microphone is blocked");
    other.page.picture("no-microphone");
    other.page.ask("delete navigator.mediaDevices.getUserMedia");
    other.act("1001", "answer");
    one.expect_card("1002", "talking");
    one.hears(other_hz);
    other.hears(one_hz);
    one.reads(".quality", "MOS");
    one.page.picture("talking");

    one.act("1002", "mute");
    other.hears_nobody(one_hz);
    one.act("1002", "mute");
    other.hears(one_hz);
    one.act("1002", "hold");
    one.expect_card("1002", "held");
    other.hears_nobody(one_hz);
    one.act("1002", "hold");
    one.expect_card("1002", "talking");
    other.hears(one_hz);

    // One goes to a desk phone, and presses a key there.
    let mut desk = desk(&server, "1003", 2, true);
    other.act("1001", "transfer");
    other.page.write("1003");
    other.page.picture("transfer");
    other.act("1001", "transfer-now");
    desk.expect("CALL_ESTABLISHED", SOON);
    other.expect_no_cards();
    one.hears(desk.hz);
    one.act("1002", "keypad");
    one.page.click(".card [data-key=\"5\"]");
    desk.expect("CALL_DTMF_START", SOON);
    one.page.picture("keypad");
    pass(secs(1));
    one.page.press("e");
    desk.expect("CALL_CLOSED", SOON);
    one.expect_no_cards();

    one.page.expect_that("document.querySelector('.records li')?.dataset.outcome === 'answered'", SOON);
    one.page.click(".records [data-act=play]");
    one.page.expect_that("document.querySelector('.player audio')?.currentTime > 0.5", SOON);
    one.page.expect_that("document.querySelector('.player audio').duration > 2", SOON);
    one.page.picture("history");
    one.page.click("[data-act=language]");
    one.reads(".history h2", "通话记录");
    one.page.expect_that("document.documentElement.lang === 'zh-CN' && document.title.includes('坐席电话')", SOON);
    one.page.picture("zh");
    let sound = desk.quit();
    assert!(media::testing::hears(&sound[0].channels[0], one_hz).is_some(), "the phone hears the page");
    one.page.click("[data-act=log-out]");
    one.page.expect_that("document.querySelector('#user') !== null && !sessionStorage.getItem('patchbay.token')", SOON);
    one.page.picture("login-zh");
    one.page.close();
    other.page.close();
    server.finish();
}

#[test]
fn an_agents_call_outlives_its_page_and_its_connection_and_goes_to_who_was_asked() {
    let server = Server::start(Setup::default());
    let mut two = desk(&server, "1002", 1, true);
    let mut three = desk(&server, "1003", 2, false);
    let mut agent = Agent::at(&server, "1001", 0);
    agent.dial("1002");
    agent.expect_card("1002", "talking");
    agent.hears(two.hz);

    // The page is loaded anew: it is still logged in, and takes its call back.
    agent.page.reload();
    agent.expect_card("1002", "talking");
    agent.hears(two.hz);

    // The connection is cut: it comes back, and the sound finds another way.
    let port = agent.page.ask("ears.port()");
    agent.page.ask("ears.sockets.at(-1).close(); 0");
    agent.page.expect_that("document.querySelector('.standing').dataset.standing !== 'ready'", SOON);
    agent.reads(".notice", "Calls are kept");
    agent.page.picture("lost");
    agent.expect_ready();
    agent.page.expect_that(&format!("ears.port().then((port) => port > 0 && port !== {port})"), SOON);
    agent.expect_card("1002", "talking");
    pass(secs(1));
    agent.page.expect_heard(LAST, two.hz, millis(500));
    assert!(!two.has_seen("CALL_CLOSED"), "the other party noticed nothing but a gap");

    // Nothing comes through for a while: the page looks for another way by itself.
    let port = agent.page.ask("ears.port()");
    server.freeze();
    agent.reads(".card .state", "Restoring the sound");
    agent.page.picture("searching");
    pass(secs(4));
    server.thaw();
    agent.page.expect_that(&format!("ears.port().then((port) => port > 0 && port !== {port})"), SOON);
    agent.hears(two.hz);

    // Somebody else calls meanwhile: answered by a key, while the first waits.
    three.dial(&server.uri("1001"));
    agent.expect_card("1003", "ringing");
    agent.reads(".card[data-number=\"1003\"] .state", "Call waiting");
    agent.page.picture("waiting");
    agent.page.press("a");
    agent.expect_card("1003", "talking");
    agent.expect_card("1002", "held");
    agent.hears(three.hz);
    agent.page.picture("two");
    agent.page.press("t");
    agent.act("1003", "join");
    agent.expect_no_cards();
    pass(secs(2));
    two.hang_up();
    three.expect("CALL_CLOSED", SOON);

    // One is asked before the other is sent there.
    agent.dial("1002");
    agent.expect_card("1002", "talking");
    agent.page.press("t");
    agent.page.write("1003");
    agent.act("1002", "ask-first");
    three.expect("CALL_INCOMING", SOON);
    three.command("accept", "");
    agent.expect_card("1003", "talking");
    agent.expect_card("1002", "held");
    agent.hears(three.hz);
    agent.page.picture("asking");
    agent.page.click(".consult [data-act=join]");
    agent.expect_no_cards();
    pass(secs(2));
    two.hang_up();
    three.expect("CALL_CLOSED", SOON);
    let (two_hz, three_hz) = (two.hz, three.hz);
    for (sounds, hz) in [(two.quit(), three_hz), (three.quit(), two_hz)] {
        let heard = |sound: &crate::sound::Sound| media::testing::hears(&sound.channels[0], hz).is_some();
        assert!(sounds.len() == 2 && sounds.iter().all(heard), "the two phones hear each other, both times");
    }

    // Another tab of the same browser does not take the phone by itself, but does when it is told to.
    agent.page.ask("window.tab = window.open('/'); 0");
    let tab = |what: &str| format!("tab.document.querySelector('{what}')");
    agent.page.expect_that(&format!("{}?.dataset.standing === 'elsewhere'", tab(".standing")), SOON);
    agent.expect_ready();
    agent.page.ask(&format!("{}.click()", tab("[data-act=notice]")));
    agent.page.expect_that(&format!("{}?.dataset.standing === 'ready'", tab(".standing")), SOON);
    agent.reads(".notice", "Another tab");
    agent.page.close();
    server.finish();
}
