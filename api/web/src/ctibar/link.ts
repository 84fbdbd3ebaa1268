// The connection of a toolbar: commands and their replies, events, heartbeat, and coming back after a loss.
import type { CtibarConfig, CtibarReply } from "./ctibar.d";

/** Close codes after which nobody comes back by himself: left, protocol error, token, connected elsewhere. */
const FINAL = [1000, 4400, 4401, 4409];
const DELAYS = [1, 2, 4, 8, 16, 30];
/** A reply comes within this, milliseconds. */
const PATIENCE = 15_000;

type Waiting = { cmd: string; done: (reply: CtibarReply) => void; timer: number };

export class Link {
  private socket: WebSocket | null = null;
  private waiting = new Map<string, Waiting>();
  private sent = 0;
  private tries = 0;
  private missed = 0;
  private beats = 0;
  private again = 0;
  private wasOpen = false;
  private over = false;

  constructor(
    private readonly config: CtibarConfig,
    private readonly on: {
      event(name: string, data: any): void;
      lost(code: number): void;
      failed(error: { code: number; msg: string; reason?: string; cmd?: string }): void;
    },
  ) {}

  get connected(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  open(): void {
    if (this.socket || this.over) return;
    const { url, token } = this.config;
    const query = `token=${encodeURIComponent(token)}&v=1`;
    let socket: WebSocket;
    try {
      socket = new WebSocket(`${url}${url.includes("?") ? "&" : "?"}${query}`);
    } catch (error) {
      this.on.failed({ code: 7, msg: String(error), reason: "BAD_URL" });
      return;
    }
    this.socket = socket;
    socket.onopen = () => this.log("open", "info");
    socket.onmessage = (message) => this.heard(String(message.data));
    socket.onclose = (event) => this.closed(socket, event.code);
  }

  close(): void {
    this.over = true;
    clearTimeout(this.again);
    this.socket?.close(1000);
    this.socket = null;
    this.rest();
  }

  /** Always resolves. */
  send(cmd: string, data: Record<string, unknown> = {}): Promise<CtibarReply> {
    return new Promise((resolve) => {
      const done = (reply: CtibarReply) => {
        if (reply.code !== 0) this.on.failed({ code: reply.code, msg: reply.msg, reason: reply.reason, cmd });
        resolve(reply);
      };
      if (!this.connected) return done(failure("未连接", "NOT_CONNECTED"));
      const id = String(++this.sent);
      const timer = window.setTimeout(() => this.settle(id, failure("请求超时", "TIMEOUT")), PATIENCE);
      this.waiting.set(id, { cmd, done, timer });
      this.tell({ id, cmd, data });
    });
  }

  private tell(frame: object): void {
    const text = JSON.stringify(frame);
    this.log(text, "send");
    this.socket?.send(text);
  }

  private heard(text: string): void {
    this.log(text, "recv");
    this.missed = 0;
    let frame: any;
    try {
      frame = JSON.parse(text);
    } catch {
      return this.on.failed({ code: 7, msg: text, reason: "BAD_FRAME" });
    }
    if (frame.type === "reply") this.settle(frame.id, frame);
    if (frame.type === "error") this.on.failed(frame);
    if (frame.type !== "event") return;
    if (frame.event === "onConnect") {
      this.wasOpen = true;
      this.tries = 0;
      this.beat(Number(frame.data?.heartbeat) || 20);
    }
    this.on.event(frame.event, frame.data);
  }

  private settle(id: string, reply: CtibarReply): void {
    const waiting = this.waiting.get(id);
    if (!waiting) return;
    this.waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.done(reply);
  }

  private beat(seconds: number): void {
    clearInterval(this.beats);
    this.missed = 0;
    this.beats = window.setInterval(() => {
      // Two were not answered: the connection is dead, whatever the browser thinks.
      if (this.missed >= 2) return this.dropped();
      this.missed += 1;
      if (this.connected) this.tell({ cmd: "ping" });
    }, seconds * 1000);
  }

  private dropped(): void {
    const dead = this.socket;
    if (!dead) return;
    this.closed(dead, 4408);
    dead.close();
  }

  private closed(socket: WebSocket, code: number): void {
    if (socket !== this.socket) return;
    this.socket = null;
    this.rest();
    if (this.wasOpen) this.on.lost(code);
    this.wasOpen = false;
    if (this.over || FINAL.includes(code)) return;
    const delay = DELAYS[Math.min(this.tries++, DELAYS.length - 1)]! * (750 + Math.random() * 500);
    this.again = window.setTimeout(() => this.open(), delay);
  }

  /** Nothing comes for what was asked. */
  private rest(): void {
    clearInterval(this.beats);
    for (const id of [...this.waiting.keys()]) this.settle(id, failure("连接已断开", "DISCONNECTED"));
  }

  private log(info: unknown, type: "send" | "recv" | "info"): void {
    try {
      this.config.infoLog?.(info, type);
    } catch {
      // A page's log that fails is the page's own affair.
    }
  }
}

function failure(msg: string, reason: string): CtibarReply {
  return { code: 7, msg, reason, data: {} };
}
