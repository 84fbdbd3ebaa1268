// What the agent has at hand: the phone, its calls, and what is to be said about them. Knows nothing of how it is shown.
import { Phone } from "../phone/phone";
import type { Session } from "../phone/session";
import type { CallQuality } from "../types";
import type { User } from "./api";
import { microphoneProblem } from "./problems";
import { Ringer, openMicrophone, playBy, soundSettings } from "./sound";
import { type Word, say } from "./words";

export type Standing = "connecting" | "ready" | "lost" | "refused" | "elsewhere" | "none";

/** A call, and what the page knows of it beside the phone. */
export interface Line {
  readonly session: Session;
  /** The call on whose behalf this one asks somebody. */
  readonly asksFor: Line | null;
  quality: CallQuality | null;
  /** Said on its card. */
  remark: Word | null;
}

/** Something to be said above everything, and what can be done about it. */
export interface Notice {
  /** In the language of the moment. */
  text(): string;
  act?: { label: Word; run(): void };
}

/** How long a call that ended is still shown. */
const SHOWN_MS = 4_000;
/** And one that came to nothing, so that its reason can be read. */
const FAILED_MS = 8_000;
const QUALITY_MS = 2_000;
const FRESH_MS = 1_500;
/** A tab that was just loaded anew may find its own lock for a moment. */
const LOCK_TRIES = 4;

export class Desk {
  standing: Standing = "connecting";
  lines: Line[] = [];
  notice: Notice | null = null;
  /** What stands in the dialling field. */
  typed = "";
  changed: () => void = () => {};
  /** Hears that a call is over and its record on the way. */
  over: () => void = () => {};
  /** Hears that the connection was lost: the token may be the reason. */
  lost: () => void = () => {};
  private phone: Phone | null = null;
  private release: () => void = () => {};
  private readonly ringer = new Ringer();
  private asking: { line: Line; number: string } | null = null;
  private opening = false;
  private readonly measuring = window.setInterval(() => void this.measure(), QUALITY_MS);

  constructor(
    private readonly user: User,
    private readonly token: string,
    private readonly iceServers: RTCIceServer[],
    private readonly freshIceServers: () => Promise<RTCIceServer[]>,
  ) {
    if (user.extension === null) {
      this.standing = "none";
      this.notice = { text: () => say("sayNoExtension", user.username) };
    } else {
      void this.claim(LOCK_TRIES);
    }
  }

  /** The call that keys and shortcuts mean. */
  current(): Line | undefined {
    const alive = this.lines.filter(({ session }) => session.state !== "ended");
    return (
      alive.find(({ session }) => session.state === "talking" && !session.heldHere) ??
      alive.find(({ session }) => session.state === "calling") ??
      alive[alive.length - 1]
    );
  }

  ringing(): Line | undefined {
    return this.lines.find(({ session }) => session.state === "ringing");
  }

  async dial(number: string, asksFor: Line | null = null): Promise<void> {
    const target = number.replace(/[\s()-]/g, "");
    if (!target || !this.phone || this.standing !== "ready") return;
    const stream = await this.microphone();
    if (!stream) return;
    this.holdOthers(null);
    this.asking = asksFor && { line: asksFor, number: target };
    this.phone.call({ target, stream });
    this.typed = "";
    this.changed();
  }

  async answer(line: Line): Promise<void> {
    const stream = await this.microphone();
    if (!stream) return;
    // The caller may have given up while the browser asked for the microphone.
    if (line.session.state !== "ringing") return stream.getTracks().forEach((track) => track.stop());
    this.holdOthers(line);
    line.session.answer(stream);
  }

  resume(line: Line): void {
    this.holdOthers(line);
    line.session.unhold();
  }

  toggleHold(line: Line): void {
    if (line.session.heldHere) this.resume(line);
    else line.session.hold();
  }

  /** Calls somebody first, before the other party is sent there. */
  ask(line: Line, number: string): void {
    line.session.hold();
    void this.dial(number, line);
  }

  /** Puts the two other parties together. */
  join(line: Line, other: Line): void {
    line.session.transferTo(other.session);
  }

  /** Another microphone, speaker or ringer was chosen. */
  async soundChanged(): Promise<void> {
    for (const { session } of this.lines) void playBy(session.player, soundSettings().speaker);
    for (const { session } of this.lines) {
      if (session.state !== "talking") continue;
      const stream = await this.microphone();
      if (stream) await session.speakFrom(stream);
    }
  }

  signal(device: string): void {
    this.ringer.signal([523, 659, 784], 0.25, 0.3, device);
  }

  say(notice: Notice | null): void {
    this.notice = notice;
    this.changed();
  }

  /** Hangs up, and takes the registration back. */
  end(): void {
    clearInterval(this.measuring);
    this.stop();
  }

  /** Only one tab of a browser has an extension's phone: two would ring, and take each other's calls back. */
  private async claim(tries: number, steal = false): Promise<void> {
    if (!navigator.locks) return this.begin();
    const options = steal ? { steal } : { ifAvailable: true };
    const held = async (lock: Lock | null) => {
      if (!lock) return false;
      this.begin();
      await new Promise<void>((release) => (this.release = release));
      return true;
    };
    try {
      if (await navigator.locks.request(`patchbay.phone.${this.user.extension}`, options, held)) return;
    } catch {
      // Another tab took it.
      this.stop();
      tries = 1;
    }
    if (tries > 1) window.setTimeout(() => void this.claim(tries - 1), 300);
    else this.elsewhere();
  }

  private stop(): void {
    const phone = this.phone;
    this.phone = null;
    this.ringer.quiet();
    phone?.unregister();
    this.release();
  }

  private elsewhere(): void {
    this.standing = "elsewhere";
    const here = () => {
      this.standing = "connecting";
      this.say(null);
      void this.claim(1, true);
    };
    this.say({ text: () => say("sayElsewhere"), act: { label: "useHere", run: here } });
  }

  private begin(): void {
    const number = this.user.extension!;
    const phone = new Phone({
      authorizationUser: number,
      token: this.token,
      wsServers: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/sip`,
      uri: `sip:${number}@${location.hostname}`,
      keepCalls: true,
      iceServers: this.iceServers,
    });
    this.phone = phone;
    phone.on("registered", () => this.stand("ready", null));
    phone.on("registrationFailed", (cause) => {
      // A connection that was lost says so itself.
      if (phone.isConnected()) this.stand("refused", { text: () => say("sayRefused", String(cause ?? "")) });
    });
    phone.on("disconnected", () => {
      if (this.phone !== phone) return;
      this.stand("lost", { text: () => say("sayReconnecting") });
      this.lost();
    });
    phone.on("session", (session) => this.add(session as Session));
  }

  private stand(standing: Standing, notice: Notice | null): void {
    this.standing = standing;
    this.say(notice);
  }

  private add(session: Session): void {
    const asksFor = this.asking?.number === session.target ? this.asking.line : null;
    this.asking = null;
    const line: Line = { session, asksFor, quality: null, remark: null };
    this.lines.push(line);
    void playBy(session.player, soundSettings().speaker);
    const over = (shown: number) => {
      window.setTimeout(() => this.forget(line), shown);
      this.over();
    };
    session.on("ended", () => over(SHOWN_MS));
    session.on("failed", () => over(FAILED_MS));
    session.on("confirmed", () => (line.remark = null));
    session.on("transferFailed", () => (line.remark = "transferFailed"));
    session.on("transferred", () => (line.remark = "transferred"));
    session.on("changed", () => this.update());
    this.update();
  }

  private forget(line: Line): void {
    this.lines = this.lines.filter((other) => other !== line);
    this.update();
  }

  private update(): void {
    const ringing = this.lines.some(({ session }) => session.state === "ringing");
    const talking = this.lines.some(({ session }) => session.state === "talking");
    if (ringing) this.ringer.ring(talking);
    else this.ringer.quiet();
    this.changed();
  }

  private holdOthers(line: Line | null): void {
    for (const other of this.lines) {
      if (other !== line && other.session.state === "talking") other.session.hold();
    }
  }

  private async microphone(): Promise<MediaStream | null> {
    // A second wish while the browser asks for the microphone is the same wish.
    if (this.opening) return null;
    this.opening = true;
    try {
      const [stream] = await Promise.all([openMicrophone(), this.refresh()]);
      if (this.standing === "ready") this.notice = null;
      return stream;
    } catch (error) {
      this.say({ text: () => microphoneProblem(error) });
      return null;
    } finally {
      this.opening = false;
    }
  }

  /** Credentials of relays lapse; a call does not wait long for new ones. */
  private async refresh(): Promise<void> {
    const late = new Promise<null>((resolve) => window.setTimeout(() => resolve(null), FRESH_MS));
    const fresh = await Promise.race([this.freshIceServers().catch(() => null), late]);
    if (fresh) this.phone?.helpedBy(fresh);
  }

  private async measure(): Promise<void> {
    for (const line of this.lines) line.quality = await line.session.quality().catch(() => null);
    if (this.lines.length > 0) this.changed();
  }
}
