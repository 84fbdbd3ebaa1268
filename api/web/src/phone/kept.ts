// What a page remembers of its calls, so that it finds them again after it was loaded anew (RFC 3891).

/** The name of a call's dialog, and what is shown of it. */
export interface KeptCall {
  /** `call-id;to-tag=…;from-tag=…`, seen from the switch. */
  dialog: string;
  number: string;
  name: string;
  direction: "in" | "out";
  since: number;
  held: boolean;
}

/** The switch gives a call up when its page stays away; what was left longer ago need not be asked for. */
const STALE_MS = 90_000;

/** Calls by page: every tab has its own. */
export class KeptCalls {
  private readonly key: string;

  constructor(extension: string) {
    this.key = `patchbay.calls.${extension}`;
  }

  put(call: KeptCall): void {
    this.write([...this.read().filter((kept) => kept.dialog !== call.dialog), call]);
  }

  remove(dialog: string): void {
    this.write(this.read().filter((kept) => kept.dialog !== dialog));
  }

  /** Takes all of them out. */
  take(): KeptCall[] {
    const calls = this.read();
    this.write([]);
    const left = Number(sessionStorage.getItem(`${this.key}.left`) ?? 0);
    sessionStorage.removeItem(`${this.key}.left`);
    return left && Date.now() - left > STALE_MS ? [] : calls;
  }

  /** The page goes. */
  leave(): void {
    sessionStorage.setItem(`${this.key}.left`, String(Date.now()));
  }

  private read(): KeptCall[] {
    try {
      const calls: unknown = JSON.parse(sessionStorage.getItem(this.key) ?? "[]");
      return Array.isArray(calls) ? (calls as KeptCall[]) : [];
    } catch {
      return [];
    }
  }

  private write(calls: KeptCall[]): void {
    sessionStorage.setItem(this.key, JSON.stringify(calls));
  }
}
