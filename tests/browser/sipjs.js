// The same telephone as page.js with another library, used as its own examples use it: `phone.…`, and what happens in `phone.seen`.
import { Inviter, Registerer, RegistererState, SessionState, UserAgent } from "sip.js";
import { hear, hears, plainSound } from "./hearing.js";

/** Pages never see keys that come as telephone-event (RFC 4733): one that wants them offers none, and gets INFO. */
const withoutKeys = async (description) => {
  const types = [...description.sdp.matchAll(/a=rtpmap:(\d+) telephone-event.*\r\n/g)].map((found) => found[1]);
  let sdp = description.sdp;
  for (const type of types) {
    sdp = sdp.replace(new RegExp(`a=(rtpmap|fmtp):${type} .*\r\n`, "g"), "");
    sdp = sdp.replace(new RegExp(`(m=audio [^\r]*?) ${type}(?= |\r)`), "$1");
  }
  return { type: description.type, sdp };
};

const sound = {
  sessionDescriptionHandlerOptions: { constraints: { audio: plainSound, video: false }, iceGatheringTimeout: 500 },
  sessionDescriptionHandlerModifiers: [withoutKeys],
};

const phone = {
  seen: [],
  ua: null,
  /** The calls, the latest last. */
  calls: [],

  note(what) {
    phone.seen.push(what);
  },

  async start(socketUri, uri, password) {
    const address = UserAgent.makeURI(uri);
    phone.ua = new UserAgent({
      uri: address,
      transportOptions: { server: socketUri },
      authorizationUsername: address.user,
      authorizationPassword: password,
      sessionDescriptionHandlerFactoryOptions: { peerConnectionConfiguration: { iceServers: [] } },
      logBuiltinEnabled: false,
      delegate: {
        onInvite(invitation) {
          const index = phone.watch(invitation);
          phone.note(`${index} called by ${invitation.remoteIdentity.uri.user}`);
        },
      },
    });
    await phone.ua.start();
    const registerer = new Registerer(phone.ua, { expires: 120 });
    registerer.stateChange.addListener((state) => state === RegistererState.Registered && phone.note("registered"));
    await registerer.register();
  },

  watch(session) {
    const index = phone.calls.push(session) - 1;
    session.delegate = {
      onSessionDescriptionHandler(handler) {
        handler.peerConnection.addEventListener("track", (event) => hear(index, event));
      },
      onInfo(info) {
        const key = /^Signal=\s*(\S+)/m.exec(info.request.body);
        if (key) phone.note(`${index} key ${key[1]}`);
        info.accept();
      },
      onRefer: (referral) => referral.reject(),
    };
    session.stateChange.addListener((state) => {
      if (state === SessionState.Established) phone.note(`${index} confirmed`);
      if (state === SessionState.Terminated) phone.note(`${index} ended: Terminated`);
    });
    return index;
  },

  call(uri) {
    const inviter = new Inviter(phone.ua, UserAgent.makeURI(uri), sound);
    phone.watch(inviter);
    void inviter.invite();
  },
  answer: (index) => void phone.calls[index].accept(sound),
  hangUp: (index) => void phone.calls[index].bye(),

  reoffer(index, hold) {
    const session = phone.calls[index];
    session.sessionDescriptionHandlerOptionsReInvite = { hold };
    const onAccept = () => phone.note(`${index} ${hold ? "hold" : "unhold"}`);
    void session.invite({ requestDelegate: { onAccept }, sessionDescriptionHandlerModifiers: [withoutKeys] });
  },
  hold: (index) => phone.reoffer(index, true),
  unhold: (index) => phone.reoffer(index, false),

  press(index, key) {
    const body = { contentDisposition: "render", contentType: "application/dtmf-relay", content: `Signal=${key}\r\nDuration=160` };
    void phone.calls[index].info({ requestOptions: { body } });
  },
  transfer: (index, uri) => void phone.calls[index].refer(UserAgent.makeURI(uri)),
  join: (index, other) => void phone.calls[index].refer(phone.calls[other]),
  hears,
};

window.phone = phone;
