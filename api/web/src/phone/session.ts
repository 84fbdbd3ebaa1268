// One call of a softphone.
import type { CallQuality, SessionEvent, SessionState, SoftPhoneSession } from "../types";
import type { KeptCall, KeptCalls } from "./kept";
import { Listeners } from "./listeners";
import { type Counted, measure } from "./quality";

// JsSIP's own types name modules that do not exist; what is used of it is small.
export type Call = any;

/** What a call needs of its phone. */
export interface Surroundings {
  readonly kept: KeptCalls | null;
  readonly pcConfig: RTCConfiguration;
  readonly player: HTMLMediaElement;
  isConnected(): boolean;
  /** Calls back once the switch is known to hear: what is asked over a dead connection would end the call. */
  whenAlive(then: () => void): void;
  uriOf(target: string): string;
}

/** A way for the sound that is lost this long is looked for anew. */
const LOST_MS = 2_500;
/** How often what could not be asked of the other side yet is tried again, and how long the end of a transferred call is waited for. */
const AGAIN_MS = 250;
const LEAVE_MS = 2_000;

export class Session implements SoftPhoneSession {
  readonly id = crypto.getRandomValues(new Uint32Array(1))[0]!.toString(36);
  readonly direction: "in" | "out";
  readonly target: string;
  readonly name: string;
  state: SessionState;
  /** When it was answered, Unix milliseconds; 0 before. */
  since = 0;
  muted = false;
  /** Where a transfer leads that is under way. */
  transferring: string | null = null;
  /** Why it ended. */
  cause = "";
  readonly player: HTMLMediaElement;
  remote: MediaStream | null = null;

  private readonly listeners = new Listeners<SessionEvent, string>();
  private wantsHold = false;
  private wantsRestart = false;
  private settling = 0;
  private lost = 0;
  private counted: Counted | undefined;
  private kept: KeptCall | null = null;
  private own: MediaStream | null = null;

  constructor(
    private readonly call: Call,
    private readonly around: Surroundings,
    private readonly back?: KeptCall,
  ) {
    const party = call.remote_identity;
    this.direction = back?.direction ?? (call.direction === "incoming" ? "in" : "out");
    this.target = back?.number ?? party.uri.user ?? "";
    this.name = back?.name ?? party.display_name ?? "";
    this.state = this.direction === "in" && !back ? "ringing" : "calling";
    this.since = back?.since ?? 0;
    this.wantsHold = back?.held ?? false;
    this.player = around.player;
    if (call.connection) this.follow(call.connection);
    call.on("peerconnection", (event: { peerconnection: RTCPeerConnection }) => this.follow(event.peerconnection));
    this.listen();
  }

  get heldHere(): boolean {
    return this.wantsHold;
  }

  /** The sound has lost its way, and another is being looked for. */
  get searching(): boolean {
    const state: RTCIceConnectionState | undefined = this.call.connection?.iceConnectionState;
    return this.state === "talking" && (state === "disconnected" || state === "failed");
  }

  get heldThere(): boolean {
    return Boolean(this.call.isOnHold().remote);
  }

  answer(stream?: MediaStream): void {
    if (this.state !== "ringing") return;
    this.own = stream ?? null;
    this.state = "calling";
    const media = stream ? { mediaStream: stream } : { mediaConstraints: { audio: true, video: false } };
    this.call.answer({ ...media, pcConfig: this.around.pcConfig });
    this.listeners.tell("changed");
  }

  /** The microphone that was given to the call when it began. */
  speaksFrom(stream: MediaStream | undefined): void {
    this.own = stream ?? null;
  }

  hangup(): void {
    if (this.call.isEnded()) return;
    this.call.terminate(this.state === "ringing" ? { status_code: 603 } : undefined);
  }

  hold(): void {
    this.wantsHold = true;
    this.settle();
  }

  unhold(): void {
    this.wantsHold = false;
    this.settle();
  }

  transfer(target: string): void {
    this.refer(this.around.uriOf(target), target);
  }

  transferTo(other: SoftPhoneSession): void {
    if (!(other instanceof Session)) throw new TypeError("no call of this phone");
    this.refer(other.call.remote_identity.uri.toString(), other.target, other);
  }

  sendKey(key: string): void {
    this.call.sendDTMF(key, { transportType: "RFC2833" });
  }

  mute(muted: boolean): void {
    this.muted = muted;
    if (muted) this.call.mute({ audio: true });
    else this.call.unmute({ audio: true });
    this.listeners.tell("changed");
  }

  restartIce(): void {
    this.around.whenAlive(() => {
      this.wantsRestart = true;
      this.settle();
    });
  }

  async quality(): Promise<CallQuality | null> {
    if (this.state !== "talking" || !this.call.connection) return null;
    const [quality, counted] = await measure(this.call.connection, this.counted);
    this.counted = counted;
    return quality;
  }

  /** What the microphone gives to this call. */
  local(): MediaStream | null {
    const track = this.sender()?.track;
    return track ? new MediaStream([track]) : null;
  }

  /** Goes on with another microphone. */
  async speakFrom(stream: MediaStream): Promise<void> {
    const [track] = stream.getAudioTracks();
    const sender = this.sender();
    if (!sender || !track || this.state === "ended") return stream.getTracks().forEach((t) => t.stop());
    const old = sender.track;
    track.enabled = old?.enabled ?? true;
    await sender.replaceTrack(track);
    old?.stop();
    this.own = stream;
    this.listeners.tell("changed");
  }

  on(event: SessionEvent, listener: (cause?: string) => void): void {
    this.listeners.add(event, listener);
  }

  /** The connection to the switch is back, perhaps by another way: the switch learns it, and the sound follows. */
  reconnected(): void {
    if (this.state === "talking") this.restartIce();
  }

  /** The connection to the switch is gone. What rings cannot be answered by it; the switch calls again as soon as the page is back. */
  disconnected(): void {
    if (this.state === "ringing") this.call.terminate();
  }

  /** The page goes. Who is called but has not answered is rung no longer; the rest waits for the page to come back. */
  leave(): void {
    if (this.state === "calling" && this.direction === "out") this.hangup();
  }

  private sender(): RTCRtpSender | undefined {
    const connection: RTCPeerConnection | undefined = this.call.connection;
    return connection?.getSenders().find((sender) => sender.track?.kind === "audio");
  }

  private listen(): void {
    this.call.on("progress", () => this.tell("progress"));
    this.call.on("confirmed", () => this.begins());
    for (const event of ["hold", "unhold"] as const) this.call.on(event, () => this.held(event));
    for (const event of ["ended", "failed"] as const) {
      this.call.on(event, (what: { cause: string; message?: any }) => this.ends(event, what));
    }
    this.call.on("newDTMF", (what: { originator: string; dtmf: { tone: string } }) => {
      if (what.originator === "remote") this.tell("key", what.dtmf.tone);
    });
    // A server for addresses that does not answer would hold the call up for long.
    let waiting = false;
    this.call.on("icecandidate", (event: { ready(): void }) => {
      if (waiting) return;
      waiting = true;
      window.setTimeout(() => ((waiting = false), event.ready()), 1_000);
    });
  }

  private tell(event: SessionEvent, what?: string): void {
    this.listeners.tell(event, what);
    this.listeners.tell("changed");
  }

  private begins(): void {
    this.state = "talking";
    this.since ||= Date.now();
    const { call_id, local_tag, remote_tag } = this.call._dialog?.id ?? {};
    if (call_id) {
      const dialog = `${call_id};to-tag=${remote_tag};from-tag=${local_tag}`;
      const { target: number, name, direction, since } = this;
      this.kept = { dialog, number, name, direction, since, held: this.wantsHold };
      this.around.kept?.put(this.kept);
    }
    this.tell("confirmed");
    this.settle();
  }

  private held(event: "hold" | "unhold"): void {
    if (this.kept) {
      this.kept.held = this.wantsHold;
      this.around.kept?.put(this.kept);
    }
    this.tell(event);
  }

  private ends(event: "ended" | "failed", what: { cause: string; message?: any }): void {
    this.state = "ended";
    // A call that is not there any more when its page comes back has ended.
    this.cause = this.back && !this.kept ? "Terminated" : what.cause;
    clearTimeout(this.lost);
    clearTimeout(this.settling);
    this.own?.getTracks().forEach((track) => track.stop());
    if (this.kept) this.around.kept?.remove(this.kept.dialog);
    this.tell(event, this.cause);
  }

  private follow(connection: RTCPeerConnection): void {
    connection.addEventListener("track", (event) => {
      this.remote = event.streams[0] ?? new MediaStream([event.track]);
      this.player.srcObject = this.remote;
      void this.player.play().catch(() => console.warn("the browser plays no sound before the user has touched the page"));
      this.listeners.tell("changed");
    });
    connection.addEventListener("iceconnectionstatechange", () => this.watch(connection.iceConnectionState));
  }

  /** RFC 8445 §9: a way that is lost is looked for anew. */
  private watch(state: RTCIceConnectionState): void {
    clearTimeout(this.lost);
    if (state === "failed") this.restartIce();
    if (state === "disconnected") this.lost = window.setTimeout(() => this.restartIce(), LOST_MS);
    this.listeners.tell("changed");
  }

  /** Asks the other side for what is wanted and not yet so, one thing after the other. */
  private settle(): void {
    clearTimeout(this.settling);
    if (this.state !== "talking" || this.call.isEnded()) return;
    const isHeld = Boolean(this.call.isOnHold().local);
    if (this.around.isConnected()) {
      if (this.wantsRestart) {
        this.wantsRestart = !this.call.renegotiate({ rtcOfferConstraints: { iceRestart: true } });
      } else if (isHeld !== this.wantsHold) {
        if (this.wantsHold) this.call.hold();
        else this.call.unhold();
      }
    }
    if (this.wantsRestart || Boolean(this.call.isOnHold().local) !== this.wantsHold) {
      this.settling = window.setTimeout(() => this.settle(), AGAIN_MS);
    }
    this.listeners.tell("changed");
  }

  private refer(uri: string, shown: string, other?: Session): void {
    const asked = this.call.refer(uri, other ? { replaces: other.call } : undefined);
    if (!asked) return this.tell("transferFailed", "");
    this.transferring = shown;
    this.tell("transferring", shown);
    const failed = (what: { cause?: string; status_line?: { reason_phrase?: string } }) => {
      this.transferring = null;
      this.tell("transferFailed", what.status_line?.reason_phrase ?? what.cause ?? "");
    };
    asked.on("requestFailed", failed);
    asked.on("failed", failed);
    asked.on("accepted", () => {
      this.tell("transferred", shown);
      // The switch ends both calls; should it not, the agent does not sit in them.
      window.setTimeout(() => {
        this.hangup();
        other?.hangup();
      }, LEAVE_MS);
    });
  }
}
