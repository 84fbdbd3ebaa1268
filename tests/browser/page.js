// A page with a telephone, for the cases to drive: `phone.…` by the DevTools protocol. What happens lands in `phone.seen`.
import JsSIP from "jssip";

const plainSound = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const media = { mediaConstraints: { audio: plainSound, video: false } };

const phone = {
  seen: [],
  ua: null,
  /** The calls, the latest last. */
  calls: [],
  ears: [],

  note(what) {
    phone.seen.push(what);
  },

  start(socketUri, uri, password) {
    const socket = new JsSIP.WebSocketInterface(socketUri);
    phone.ua = new JsSIP.UA({ sockets: [socket], uri, password, session_timers: false, register_expires: 120 });
    phone.ua.on("registered", () => phone.note("registered"));
    phone.ua.on("registrationFailed", (e) => phone.note(`registration failed: ${e.cause}`));
    phone.ua.on("disconnected", () => phone.note("disconnected"));
    phone.ua.on("newRTCSession", ({ session, originator }) => phone.watch(session, originator));
    phone.ua.start();
  },

  watch(session, originator) {
    const index = phone.calls.push(session) - 1;
    const note = (what) => phone.note(`${index} ${what}`);
    note(originator === "remote" ? `called by ${session.remote_identity.uri.user}` : "calls");
    const hear = (connection) => {
      connection.addEventListener("track", (e) => phone.hear(index, e));
    };
    if (session.connection) hear(session.connection);
    session.on("peerconnection", (e) => hear(e.peerconnection));
    for (const what of ["progress", "accepted", "confirmed", "hold", "unhold"]) {
      session.on(what, () => note(what));
    }
    session.on("ended", (e) => note(`ended: ${e.cause}`));
    session.on("failed", (e) => note(`failed: ${e.cause}`));
    session.on("newDTMF", (e) => e.originator === "remote" && note(`key ${e.dtmf.tone}`));
  },

  /** Listens to a track, which must come with its stream. */
  hear(index, event) {
    const stream = event.streams[0];
    // Without an element that plays it, Chromium gives WebAudio nothing of a remote stream.
    const element = new Audio();
    element.srcObject = stream;
    element.play();
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 16384, smoothingTimeConstant: 0 });
    context.createMediaStreamSource(stream).connect(analyser);
    phone.ears[index] = { context, analyser, element };
  },

  /** The loudest frequency that a call hears now, and its level in decibels. */
  hears(index) {
    const ear = phone.ears[index];
    if (!ear) return { hz: 0, db: -200 };
    const bins = new Float32Array(ear.analyser.frequencyBinCount);
    ear.analyser.getFloatFrequencyData(bins);
    let best = 1;
    for (let i = 1; i < bins.length; i++) if (bins[i] > bins[best]) best = i;
    return { hz: (best * ear.context.sampleRate) / ear.analyser.fftSize, db: Math.max(bins[best], -200) };
  },

  call: (uri) => void phone.ua.call(uri, media),
  answer: (index) => void phone.calls[index].answer(media),
  hangUp: (index) => void phone.calls[index].terminate(),
  hold: (index) => void phone.calls[index].hold(),
  unhold: (index) => void phone.calls[index].unhold(),
  press: (index, key, way) => void phone.calls[index].sendDTMF(key, { transportType: way }),
  transfer: (index, uri) => void phone.calls[index].refer(uri),
  join: (index, other, uri) => void phone.calls[index].refer(uri, { replaces: phone.calls[other] }),
  restartIce: (index) => void phone.calls[index].renegotiate({ rtcOfferConstraints: { iceRestart: true } }),

  /** What names a call in Replaces (RFC 3891), seen from the switch. */
  nameOf(index) {
    const { call_id, local_tag, remote_tag } = phone.calls[index]._dialog.id;
    return `${call_id};to-tag=${remote_tag};from-tag=${local_tag}`;
  },
  take: (uri, name) => void phone.ua.call(uri, { ...media, extraHeaders: [`Replaces: ${name}`] }),

  async codec(index) {
    const stats = [...(await phone.calls[index].connection.getStats()).values()];
    const sent = stats.find((s) => s.type === "outbound-rtp");
    return sent ? (stats.find((s) => s.id === sent.codecId)?.mimeType ?? "") : "";
  },
};

window.phone = phone;
