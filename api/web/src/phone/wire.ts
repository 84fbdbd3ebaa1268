// The WebSocket to the switch: notices a connection that died without a word, and opens a new one when the network is back.
import JsSIP from "jssip";

const ASK_MS = 20_000;
const ANSWER_MS = 8_000;

// What JsSIP keeps to itself has no types.
const Base = JsSIP.WebSocketInterface as unknown as new (url: string) => any;

export class Wire extends Base {
  private heardAt = 0;
  private asking = 0;
  private waiting = 0;
  private askers: (() => void)[] = [];

  _onOpen(): void {
    this.heardAt = Date.now();
    clearInterval(this.asking);
    this.asking = window.setInterval(() => this.ask(), ASK_MS);
    super._onOpen();
  }

  _onMessage(event: MessageEvent): void {
    this.heardAt = Date.now();
    super._onMessage(event);
    for (const alive of this.askers.splice(0)) alive();
  }

  _onClose(event: CloseEvent): void {
    this.rest();
    super._onClose(event);
  }

  disconnect(): void {
    this.rest();
    super.disconnect();
  }

  /** Asks for a sign of life (RFC 7118 §6, RFC 5626 §4.4.1), and tells of it; without one the connection is given up. */
  ask(alive?: () => void): void {
    if (!this.isConnected()) return;
    if (alive) this.askers.push(alive);
    if (this.waiting) return;
    const asked = Date.now();
    this.send("\r\n\r\n");
    this.waiting = window.setTimeout(() => {
      this.waiting = 0;
      if (this.heardAt < asked && this.isConnected()) this.drop();
    }, ANSWER_MS);
  }

  /** Gives the connection up; its owner opens another. */
  drop(): void {
    if (!this._ws) return;
    this.disconnect();
    this.ondisconnect(true, 1006, "no sign of life");
  }

  private rest(): void {
    clearInterval(this.asking);
    clearTimeout(this.waiting);
    this.asking = this.waiting = 0;
    this.askers = [];
  }
}
