// The toolbar of contract A: `window.Ctibar`. It needs nothing of its page.
import { Phone } from "../phone/phone";
import type { Session } from "../phone/session";
import type { CtibarCallback, CtibarConfig, CtibarError, CtibarReply } from "./ctibar.d";
import { Link } from "./link";

/** What the server tells of the telephone in the page. */
interface WebRtc {
  wsUrl: string;
  uri: string;
  authUser: string;
  password: string;
  iceServers: RTCIceServer[];
}

/** The page's telephone registers within this, milliseconds, or is told to be missing by the server. */
const REGISTERS = 8_000;

class Ctibar {
  private readonly link: Link;
  private phone: Phone | null = null;
  private registered: Promise<void> = Promise.resolve();
  private agent = "LOGOUT";
  private extNo = "";
  private callId: string | null = null;

  constructor(
    private readonly config: CtibarConfig,
    private readonly callback: CtibarCallback = {},
  ) {
    this.link = new Link(config, {
      event: (name, data) => this.heard(name, data),
      lost: (code) => this.call("onDisconnect", { code }),
      failed: (error) => this.failed(error),
    });
  }

  initSDK(): void {
    this.link.open();
  }

  login(): Promise<CtibarReply> {
    return this.link.send("login");
  }

  logout(): Promise<CtibarReply> {
    return this.link.send("logout");
  }

  async ready(): Promise<CtibarReply> {
    await this.registered;
    return this.link.send("ready");
  }

  busy(): Promise<CtibarReply> {
    return this.link.send("busy");
  }

  rest(): Promise<CtibarReply> {
    return this.link.send("rest");
  }

  async makecall(to: string): Promise<CtibarReply> {
    await this.registered;
    return this.link.send("makecall", { to: String(to) });
  }

  /** A telephone in the page answers by itself; a desk phone is told to by the server. */
  async offhook(): Promise<CtibarReply> {
    const rings = this.phone?.sessions.find((session) => session.state === "ringing");
    if (!rings) return this.link.send("offhook");
    rings.answer();
    return { code: 0, msg: "操作成功", data: { callId: this.callId ?? "" } };
  }

  hangup(): Promise<CtibarReply> {
    return this.link.send("hangup");
  }

  hold(): Promise<CtibarReply> {
    return this.link.send("hold");
  }

  unhold(): Promise<CtibarReply> {
    return this.link.send("unhold");
  }

  transfer(to: string, type: string): Promise<CtibarReply> {
    return this.link.send("transfer", { to: String(to), type });
  }

  consult(to: string): Promise<CtibarReply> {
    return this.link.send("consult", { to: String(to) });
  }

  consultComplete(): Promise<CtibarReply> {
    return this.link.send("consultComplete");
  }

  consultCancel(): Promise<CtibarReply> {
    return this.link.send("consultCancel");
  }

  destroy(): void {
    this.unplug();
    this.link.close();
  }

  state(): { connected: boolean; agent: string; extNo: string; callId: string | null; phone: boolean } {
    const { agent, extNo, callId } = this;
    return { connected: this.link.connected, agent, extNo, callId, phone: this.phone !== null };
  }

  private heard(name: string, data: any): void {
    if (data?.state) this.agent = data.state;
    if (name === "onLogin") {
      this.extNo = data.extNo ?? "";
      this.plugIn(data.webrtc);
    }
    if (name === "onLogout") {
      this.agent = "LOGOUT";
      this.unplug();
    }
    if (name === "onKickout") this.unplug();
    if (name === "onRing" || name === "onAnswer") this.callId = data.callId;
    if (name === "onHangup" && data.callId === this.callId) this.callId = null;
    this.call(name, data);
  }

  private plugIn(given: WebRtc | null): void {
    const wanted = this.config.webrtc;
    if (!wanted?.enable || this.phone) return;
    if (!given) return this.failed({ code: 7, msg: "分机不支持 WebRTC", reason: "NO_WEBRTC" });
    const server = new URL(given.wsUrl, this.config.url).href.replace(/^http/, "ws");
    const phone = new Phone({
      authorizationUser: given.authUser,
      uri: given.uri,
      token: given.password,
      wsServers: server,
      remoteVideoId: wanted.audioId,
      keepCalls: true,
      iceServers: given.iceServers,
    });
    this.phone = phone;
    this.registered = new Promise((resolve) => {
      phone.on("registered", () => resolve());
      window.setTimeout(resolve, REGISTERS);
    });
    phone.on("registrationFailed", (cause) =>
      this.failed({ code: 7, msg: String(cause), reason: "REGISTRATION_FAILED" }),
    );
    phone.on("session", (begun) => {
      const session = begun as Session;
      if (wanted.autoAnswer && session.state === "ringing") session.answer();
    });
  }

  private unplug(): void {
    this.phone?.unregister();
    this.phone = null;
    this.registered = Promise.resolve();
  }

  private call(name: string, data: unknown): void {
    const callback = this.callback[name as keyof CtibarCallback];
    if (typeof callback !== "function") return;
    try {
      callback(data);
    } catch (error) {
      this.failed({ code: 7, msg: String(error), reason: "CALLBACK" });
    }
  }

  private failed(error: CtibarError): void {
    try {
      this.config.errLog?.({ code: error.code, msg: error.msg, reason: error.reason, cmd: error.cmd });
    } catch (inLog) {
      console.error(inLog);
    }
  }
}

(window as unknown as { Ctibar: typeof Ctibar }).Ctibar = Ctibar;
