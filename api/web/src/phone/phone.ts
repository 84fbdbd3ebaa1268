// The softphone: SIP over WebSocket and WebRTC by JsSIP, behind few words. It registers, and again whenever its connection comes back.
import JsSIP from "jssip";
import type { CallOptions, MySoftPhoneOptions, PhoneEvent } from "../types";
import { type KeptCall, KeptCalls } from "./kept";
import { Listeners } from "./listeners";
import { type Call, Session, type Surroundings } from "./session";
import { Wire } from "./wire";

type Ua = any;

/** How long is waited before the connection is opened again, seconds: from the first to the last, longer each time. */
const RECOVERY = { connection_recovery_min_interval: 1, connection_recovery_max_interval: 12 };

export class Phone {
  /** The calls that exist. */
  readonly sessions: Session[] = [];
  private readonly listeners = new Listeners<PhoneEvent, Session | string>();
  private readonly ua: Ua;
  private readonly wires: Wire[];
  private readonly host: string;
  private readonly kept: KeptCalls | null;
  private readonly former: KeptCall[];
  private iceServers: RTCIceServer[];
  private wasLost = false;
  private readonly online = () => this.networkChanged();
  private readonly leaving = () => this.leave();

  constructor(private readonly options: MySoftPhoneOptions) {
    const servers = [options.wsServers].flat();
    if (servers.length === 0) throw new TypeError("wsServers is empty");
    const hasHost = options.uri.includes("@");
    this.host = hasHost ? options.uri.replace(/^[^@]*@/, "").replace(/[;?>].*$/, "") : new URL(servers[0]!).hostname;
    this.kept = options.keepCalls ? new KeptCalls(options.authorizationUser) : null;
    this.iceServers = options.iceServers ?? [];
    this.former = this.kept?.take() ?? [];
    this.wires = servers.map((server) => new Wire(withToken(server, options.token)));
    this.ua = new JsSIP.UA({
      sockets: this.wires,
      uri: this.uriOf(options.uri),
      authorization_user: options.authorizationUser,
      password: options.password,
      session_timers: false,
      register_expires: 300,
      ...RECOVERY,
    } as any);
    this.listen();
    this.ua.start();
  }

  call(options: CallOptions): Session {
    return this.dial(options.target, options.stream);
  }

  unregister(_options?: unknown): void {
    window.removeEventListener("online", this.online);
    window.removeEventListener("pagehide", this.leaving);
    this.ua.stop();
  }

  /** Calls to come use these STUN and TURN servers. */
  helpedBy(iceServers: RTCIceServer[]): void {
    this.iceServers = iceServers;
  }

  on(event: PhoneEvent, listener: (what?: Session | string) => void): void {
    this.listeners.add(event, listener);
  }

  isConnected(): boolean {
    return Boolean(this.ua.isConnected());
  }

  private listen(): void {
    this.ua.on("connected", () => this.listeners.tell("connected"));
    this.ua.on("disconnected", () => {
      this.wasLost = true;
      for (const session of [...this.sessions]) session.disconnected();
      this.listeners.tell("disconnected");
    });
    this.ua.on("registered", () => this.registered());
    this.ua.on("unregistered", () => this.listeners.tell("unregistered"));
    this.ua.on("registrationFailed", (what: { cause: string }) =>
      this.listeners.tell("registrationFailed", what.cause),
    );
    this.ua.on("newRTCSession", (what: { session: Call; originator: string }) => {
      if (what.originator === "remote") this.add(new Session(what.session, this.around()));
    });
    window.addEventListener("online", this.online);
    window.addEventListener("pagehide", this.leaving);
  }

  private registered(): void {
    this.listeners.tell("registered");
    if (this.wasLost) for (const session of this.sessions) session.reconnected();
    this.wasLost = false;
    // Those of the page before this one: what began here is known.
    for (const call of this.former.splice(0)) this.dial(call.number, undefined, call);
  }

  private dial(target: string, stream?: MediaStream, back?: KeptCall): Session {
    const media = stream ? { mediaStream: stream } : { mediaConstraints: { audio: true, video: false } };
    const around = this.around();
    const extraHeaders = back ? [`Replaces: ${back.dialog}`] : [];
    const call = this.ua.call(this.uriOf(target), { ...media, pcConfig: around.pcConfig, extraHeaders });
    const session = new Session(call, around, back);
    session.speaksFrom(stream);
    this.add(session);
    return session;
  }

  private add(session: Session): void {
    this.sessions.push(session);
    const gone = () => {
      const at = this.sessions.indexOf(session);
      if (at >= 0) this.sessions.splice(at, 1);
    };
    session.on("ended", gone);
    session.on("failed", gone);
    this.listeners.tell("session", session);
  }

  private around(): Surroundings {
    return {
      kept: this.kept,
      pcConfig: { iceServers: this.iceServers },
      player: this.player(),
      isConnected: () => this.isConnected(),
      whenAlive: (then) => this.wires.find((wire) => wire.isConnected())?.ask(then),
      uriOf: (target) => this.uriOf(target),
    };
  }

  private player(): HTMLMediaElement {
    const named = this.options.remoteVideoId && document.getElementById(this.options.remoteVideoId);
    if (named instanceof HTMLMediaElement) return named;
    return new Audio();
  }

  /** Another network, or one again: what is open may be dead, and what is closed can be opened. */
  private networkChanged(): void {
    // A new connection brings the calls with it.
    if (!this.isConnected()) return this.ua.transport.connect();
    for (const wire of this.wires) wire.ask();
    for (const session of this.sessions) session.reconnected();
  }

  private leave(): void {
    this.kept?.leave();
    for (const session of [...this.sessions]) session.leave();
  }

  private uriOf(target: string): string {
    if (/^sips?:/.test(target)) return target;
    return target.includes("@") ? `sip:${target}` : `sip:${target}@${this.host}`;
  }
}

function withToken(server: string, token: string | undefined): string {
  if (!token) return server;
  return `${server}${server.includes("?") ? "&" : "?"}token=${encodeURIComponent(token)}`;
}
