/** How a toolbar begins. */
export interface CtibarConfig {
  /** `ws://host:9999/ws` or `wss://host:9443/ws`. */
  url: string;
  /** The token of `POST /api/v1/base/auth`. */
  token: string;
  /** Hears every frame. */
  infoLog?: (info: unknown, type: "send" | "recv" | "info") => void;
  /** Hears every failure. */
  errLog?: (err: CtibarError) => void;
  /** A telephone in the page; without it the extension is a desk phone. */
  webrtc?: { enable: boolean; /** The id of an `audio` element that plays the other party. */ audioId?: string; autoAnswer?: boolean };
}

export interface CtibarError {
  code: number;
  msg: string;
  reason?: string;
  cmd?: string;
}

/** What became of a command: `code` 0, or 7 with a reason. */
export interface CtibarReply {
  code: number;
  msg: string;
  reason?: string;
  data: Record<string, any>;
}

/** Each may be missing. */
export type CtibarCallback = {
  [name in
    | "onConnect" | "onDisconnect" | "onLogin" | "onLogout" | "onReady" | "onBusy" | "onRest" | "onRing" | "onAnswer"
    | "onCalleeAnswer" | "onHangup" | "onAsrResult" | "onHold" | "onUnhold" | "onConsult" | "onKickout"]?: (data: any) => void;
};

/** The toolbar of an agent. Every command resolves with its reply, and never rejects. */
export declare class Ctibar {
  constructor(config: CtibarConfig, callback?: CtibarCallback);
  initSDK(): void;
  login(): Promise<CtibarReply>;
  logout(): Promise<CtibarReply>;
  ready(): Promise<CtibarReply>;
  busy(): Promise<CtibarReply>;
  rest(): Promise<CtibarReply>;
  makecall(to: string): Promise<CtibarReply>;
  offhook(): Promise<CtibarReply>;
  hangup(): Promise<CtibarReply>;
  hold(): Promise<CtibarReply>;
  unhold(): Promise<CtibarReply>;
  transfer(to: string, type: "to_queue" | "to_phone"): Promise<CtibarReply>;
  consult(to: string): Promise<CtibarReply>;
  consultComplete(): Promise<CtibarReply>;
  consultCancel(): Promise<CtibarReply>;
  /** Closes the connection for good. */
  destroy(): void;
  /** What is known now. */
  state(): { connected: boolean; agent: string; extNo: string; callId: string | null; phone: boolean };
}

declare global {
  interface Window {
    Ctibar: typeof Ctibar;
  }
}
