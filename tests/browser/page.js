// A page with a telephone, for the cases to drive: `phone.…` by the DevTools protocol. What happens lands in `phone.seen`.
import JsSIP from "jssip";
import { hear, hears, plainSound } from "./hearing.js";

const media = { mediaConstraints: { audio: plainSound, video: false }, pcConfig: {} };

const phone = {
  seen: [],
  ua: null,
  /** The calls, the latest last. */
  calls: [],

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
    const follow = (connection) => {
      connection.addEventListener("track", (e) => hear(index, e));
    };
    if (session.connection) follow(session.connection);
    session.on("peerconnection", (e) => follow(e.peerconnection));
    for (const what of ["progress", "accepted", "confirmed", "hold", "unhold"]) {
      session.on(what, () => note(what));
    }
    session.on("ended", (e) => note(`ended: ${e.cause}`));
    session.on("failed", (e) => note(`failed: ${e.cause}`));
    session.on("sdp", (e) => {
      if (!phone.udp && e.originator === "remote") e.sdp = e.sdp.replace(/a=candidate:\S+ 1 udp .*\r\n/g, "");
    });
    session.on("newDTMF", (e) => e.originator === "remote" && note(`key ${e.dtmf.tone}`));
  },

  hears,

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

  /** The switch's addresses by UDP are no good in calls to come, as behind a wall that drops it. */
  withoutUdp: () => void (phone.udp = false),
  udp: true,

  /** Calls to come use nothing but these TURN servers. */
  relayedBy(iceServers) {
    media.pcConfig = { iceServers, iceTransportPolicy: "relay" };
  },
  relays: () => media.pcConfig.iceServers.flatMap((server) => server.urls),

  /** How the sound of a call goes: the kind of its own candidate, and its transport. */
  async way(index) {
    const stats = await phone.calls[index].connection.getStats();
    const all = [...stats.values()];
    const transport = all.find((s) => s.type === "transport");
    const own = stats.get(stats.get(transport?.selectedCandidatePairId)?.localCandidateId);
    return own ? `${own.candidateType} ${own.protocol}` : "none";
  },

  async codec(index) {
    const stats = [...(await phone.calls[index].connection.getStats()).values()];
    const sent = stats.find((s) => s.type === "outbound-rtp");
    return sent ? (stats.find((s) => s.id === sent.codecId)?.mimeType ?? "") : "";
  },
};

window.phone = phone;
