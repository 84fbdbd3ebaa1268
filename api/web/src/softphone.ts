// The softphone: SIP over WebSocket and WebRTC by JsSIP, behind the few words of the contract.
import JsSIP from "jssip";
import type {
  AnswerConfirm,
  MySoftPhoneOptions,
  PhoneEvent,
  SessionEvent,
  SoftPhoneSession,
} from "./types";

// JsSIP's own types name modules that do not exist; what is used of it is small.
type Ua = any;
type Call = any;

const media = { mediaConstraints: { audio: true, video: false } };

/** Listeners by event. One that throws keeps nobody else from hearing. */
class Listeners<E extends string, T> {
  private readonly all = new Map<E, ((what?: T) => void)[]>();

  add(event: E, listener: (what?: T) => void): void {
    this.all.set(event, [...(this.all.get(event) ?? []), listener]);
  }

  tell(event: E, what?: T): void {
    for (const listener of this.all.get(event) ?? []) {
      try {
        listener(what);
      } catch (error) {
        console.error(error);
      }
    }
  }
}

class Session implements SoftPhoneSession {
  private readonly listeners = new Listeners<SessionEvent, string>();

  constructor(
    private readonly call: Call,
    readonly target: string,
    player: HTMLMediaElement,
    private readonly uriOf: (target: string) => string,
  ) {
    const listen = (connection: RTCPeerConnection) =>
      connection.addEventListener("track", (event) => {
        player.srcObject = event.streams[0] ?? new MediaStream([event.track]);
        void player.play().catch(() => console.warn("the browser plays no sound before the user has touched the page"));
      });
    if (call.connection) listen(call.connection);
    call.on("peerconnection", (event: { peerconnection: RTCPeerConnection }) => listen(event.peerconnection));
    for (const event of ["progress", "confirmed", "hold", "unhold"] as const) {
      call.on(event, () => this.listeners.tell(event));
    }
    for (const event of ["ended", "failed"] as const) {
      call.on(event, (what: { cause: string }) => this.listeners.tell(event, what.cause));
    }
  }

  hangup(): void {
    if (!this.call.isEnded()) this.call.terminate();
  }

  hold(): void {
    this.call.hold();
  }

  unhold(): void {
    this.call.unhold();
  }

  transfer(target: string): void {
    this.call.refer(this.uriOf(target));
  }

  sendKey(key: string): void {
    this.call.sendDTMF(key, { transportType: "RFC2833" });
  }

  mute(muted: boolean): void {
    if (muted) this.call.mute({ audio: true });
    else this.call.unmute({ audio: true });
  }

  on(event: SessionEvent, listener: (cause?: string) => void): void {
    this.listeners.add(event, listener);
  }
}

class MySoftPhone {
  private readonly listeners = new Listeners<PhoneEvent, SoftPhoneSession | string>();
  private readonly ua: Ua;
  private readonly host: string;

  constructor(
    private readonly options: MySoftPhoneOptions,
    private readonly answerConfirm: AnswerConfirm = () => true,
  ) {
    const servers = [options.wsServers].flat();
    if (servers.length === 0) throw new TypeError("wsServers is empty");
    const hasHost = options.uri.includes("@");
    this.host = hasHost ? options.uri.replace(/^[^@]*@/, "").replace(/[;?>].*$/, "") : new URL(servers[0]!).hostname;
    this.ua = new JsSIP.UA({
      sockets: servers.map((server) => new JsSIP.WebSocketInterface(server)),
      uri: this.uriOf(options.uri),
      authorization_user: options.authorizationUser,
      password: options.password,
      session_timers: false,
      register_expires: 300,
    } as any);
    for (const event of ["registered", "unregistered", "connected", "disconnected"] as const) {
      this.ua.on(event, () => this.listeners.tell(event));
    }
    this.ua.on("registrationFailed", (what: { cause: string }) =>
      this.listeners.tell("registrationFailed", what.cause),
    );
    this.ua.on("newRTCSession", (what: { session: Call; originator: string }) => {
      if (what.originator === "remote") void this.comes(what.session);
    });
    this.ua.start();
  }

  call(options: { target: string }): SoftPhoneSession {
    const session = this.ua.call(this.uriOf(options.target), media);
    return this.tellOf(session, options.target);
  }

  unregister(_options?: unknown): void {
    this.ua.stop();
  }

  on(event: PhoneEvent, listener: (what?: SoftPhoneSession | string) => void): void {
    this.listeners.add(event, listener);
  }

  private async comes(call: Call): Promise<void> {
    const target: string = call.remote_identity.uri.user ?? "";
    this.tellOf(call, target);
    let wanted = false;
    try {
      wanted = await this.answerConfirm(target);
    } catch (error) {
      console.error(error);
    }
    // The caller may have given up meanwhile.
    if (call.isEnded()) return;
    if (wanted) call.answer(media);
    else call.terminate({ status_code: 603 });
  }

  private tellOf(call: Call, target: string): SoftPhoneSession {
    const session = new Session(call, target, this.player(), (to) => this.uriOf(to));
    this.listeners.tell("session", session);
    return session;
  }

  private player(): HTMLMediaElement {
    const named = this.options.remoteVideoId && document.getElementById(this.options.remoteVideoId);
    if (named instanceof HTMLMediaElement) return named;
    return new Audio();
  }

  private uriOf(target: string): string {
    if (/^sips?:/.test(target)) return target;
    return target.includes("@") ? `sip:${target}` : `sip:${target}@${this.host}`;
  }
}

(window as unknown as { MySoftPhone: typeof MySoftPhone }).MySoftPhone = MySoftPhone;
