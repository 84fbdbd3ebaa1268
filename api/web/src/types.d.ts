/** How a softphone begins. */
export interface MySoftPhoneOptions {
  /** The extension's number, or the user name of its digest. */
  authorizationUser: string;
  /** The extension's password. Not needed with a token. */
  password?: string;
  /** A token of the API (`POST /patchbay/v1/session`) of the extension's user: then no SIP password sits in the page. */
  token?: string;
  /** `ws://host:9999/sip` or `wss://host:9443/sip`; with several the first that can be reached. */
  wsServers: string | string[];
  /** `sip:1001@host`, or the number alone. */
  uri: string;
  /** The id of an `audio` or `video` element that plays the other party; one is made if it is missing. */
  remoteVideoId?: string;
  /** The id of an element for the own picture. There is no picture yet: it is left alone. */
  localVideoId?: string;
  /** Takes calls back after the page was loaded anew; their names are in `sessionStorage` meanwhile. */
  keepCalls?: boolean;
  /** STUN and TURN servers, where the switch cannot be reached directly. */
  iceServers?: RTCIceServer[];
}

/**
 * What the switch itself answers. `agent_login` and `agent_logoff` tell an agent's working status: a tone confirms it, and the switch hangs up.
 * `fifo+<code>`, `fifo%2B<code>` and `fifo<code>` are the off-hook mode of a project: the call stays, with music, until the phone hangs up.
 */
export type DialString = "agent_login" | "agent_logoff" | `fifo${string}`;

export interface CallOptions {
  /** A number, a SIP URI, or what the switch itself answers. */
  target: string | DialString;
  /** The microphone's sound; the usual microphone is opened if it is missing. It is stopped when the call ends. */
  stream?: MediaStream;
}

/** Whether to take a call from this number. A promise may decide later. */
export type AnswerConfirm = (target: string) => boolean | Promise<boolean>;

export type SessionEvent =
  | "progress"
  | "confirmed"
  | "hold"
  | "unhold"
  | "ended"
  | "failed"
  /** A transfer was asked for, was done, or came to nothing: then the call goes on. */
  | "transferring"
  | "transferred"
  | "transferFailed"
  /** The other party pressed a key that came by INFO. */
  | "key"
  /** Anything that is shown of the call. */
  | "changed";

export type SessionState = "calling" | "ringing" | "talking" | "ended";

/** How a call sounds. */
export interface CallQuality {
  codec: string;
  lossPercent: number;
  jitterMs: number;
  /** `null` where nobody has measured it yet. */
  rttMs: number | null;
  /** Mean opinion score, 1.0 to 4.5. */
  mos: number | null;
}

/** A call. */
export interface SoftPhoneSession {
  /** The other party's number. */
  readonly target: string;
  /** The other party's name; empty if it told none. */
  readonly name: string;
  readonly direction: "in" | "out";
  readonly state: SessionState;
  readonly heldHere: boolean;
  readonly heldThere: boolean;
  readonly muted: boolean;
  /** Answers a call that rings. The usual microphone is opened if none is given. */
  answer(stream?: MediaStream): void;
  /** Hangs up, refuses, or gives up calling. */
  hangup(): void;
  hold(): void;
  unhold(): void;
  /** Sends the other party to a number; this side's call ends when that has begun. */
  transfer(target: string): void;
  /** Puts the other party together with that of another call of this phone, and leaves both. */
  transferTo(other: SoftPhoneSession): void;
  /** Presses a key. */
  sendKey(key: string): void;
  mute(muted: boolean): void;
  /** Looks for a new way for the sound; happens by itself when the network changes. */
  restartIce(): void;
  /** How it sounds since this was last asked. */
  quality(): Promise<CallQuality | null>;
  /** `cause` says why a call ended or failed, where a transfer leads, or what key it was. */
  on(event: SessionEvent, listener: (cause?: string) => void): void;
}

export type PhoneEvent =
  | "registered"
  | "unregistered"
  | "registrationFailed"
  | "connected"
  | "disconnected"
  | "session";

/** A telephone in a page. It registers by itself, and again whenever its connection comes back. */
export declare class MySoftPhone {
  constructor(options: MySoftPhoneOptions, answerConfirm?: AnswerConfirm);
  /** Calls a number, or dials what the switch knows: `agent_login`, `agent_logoff`, `fifo…`. */
  call(options: CallOptions): SoftPhoneSession;
  /** Calls to come use these STUN and TURN servers. */
  helpedBy(iceServers: RTCIceServer[]): void;
  /** Takes its registration back and closes the connection. The argument is ignored. */
  unregister(options?: unknown): void;
  /** `session` hears of each call, `registrationFailed` why. */
  on(event: PhoneEvent, listener: (what?: SoftPhoneSession | string) => void): void;
}

declare global {
  interface Window {
    MySoftPhone: typeof MySoftPhone;
  }
}
