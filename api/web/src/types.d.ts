/** How a softphone begins. */
export interface MySoftPhoneOptions {
  /** The extension's number, or the user name of its digest. */
  authorizationUser: string;
  password: string;
  /** `ws://host:9999/sip` or `wss://host:9443/sip`; with several the first that can be reached. */
  wsServers: string | string[];
  /** `sip:1001@host`, or the number alone. */
  uri: string;
  /** The id of an `audio` or `video` element that plays the other party; one is made if it is missing. */
  remoteVideoId?: string;
  /** The id of an element for the own picture. There is no picture yet: it is left alone. */
  localVideoId?: string;
}

/** Whether to take a call from this number. A promise may decide later. */
export type AnswerConfirm = (target: string) => boolean | Promise<boolean>;

export type SessionEvent = "progress" | "confirmed" | "hold" | "unhold" | "ended" | "failed";

/** A call. */
export interface SoftPhoneSession {
  /** The other party's number. */
  readonly target: string;
  hangup(): void;
  hold(): void;
  unhold(): void;
  /** Sends the other party to a number; this side's call ends when that has begun. */
  transfer(target: string): void;
  /** Presses a key. */
  sendKey(key: string): void;
  mute(muted: boolean): void;
  /** `cause` says why a call ended or failed. */
  on(event: SessionEvent, listener: (cause?: string) => void): void;
}

export type PhoneEvent = "registered" | "unregistered" | "registrationFailed" | "connected" | "disconnected" | "session";

/** A telephone in a page. It registers by itself, and again whenever its connection comes back. */
export declare class MySoftPhone {
  constructor(options: MySoftPhoneOptions, answerConfirm?: AnswerConfirm);
  /** Calls a number, or dials what the switch knows: `agent_login`, `agent_logoff`, `fifo…`. */
  call(options: { target: string }): SoftPhoneSession;
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
