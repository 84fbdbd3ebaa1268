// The calls that are over, and what was recorded of them.
import type { Api, CallRecord } from "./api";
import { el, icon, show } from "./dom";
import { outcome } from "./problems";
import { playBy, soundSettings } from "./sound";
import { howLong, say, when } from "./words";

/** A record follows its call after a moment. */
const LATER_MS = [400, 1_500, 4_000];

export class History {
  readonly element: HTMLElement;
  private readonly list = el("ol", { class: "records" });
  private readonly empty = el("p", { class: "empty" }, say("noHistory"));
  private readonly more = el("button", { type: "button", class: "more", onclick: () => void this.next() }, say("more"));
  private next_: string | null = null;
  private newest = "";
  private player: HTMLElement | null = null;
  private source = "";

  constructor(
    private readonly api: Api,
    private readonly extension: string | null,
    private readonly everybody: boolean,
    private readonly dial: (number: string) => void,
  ) {
    const again = el(
      "button",
      { type: "button", class: "plain", "aria-label": say("refresh"), title: say("refresh"), onclick: () => void this.refresh() },
      icon("again"),
    );
    this.element = el(
      "section",
      { class: "history", "aria-labelledby": "history" },
      el("header", {}, el("h2", { id: "history" }, say("history")), again),
      this.empty,
      el("div", { class: "scroll" }, this.list, this.more),
    );
    show(this.more, false);
    void this.refresh();
  }

  /** A call is over: its record is looked for until it is there. */
  expect(): void {
    const known = this.newest;
    for (const later of LATER_MS) {
      window.setTimeout(() => {
        if (this.newest === known) void this.refresh();
      }, later);
    }
  }

  async refresh(): Promise<void> {
    const page = await this.page(null);
    if (!page) return;
    this.newest = page.items[0]?.id ?? "";
    // What plays goes on.
    const playing = this.player?.dataset["record"];
    const rows = page.items.map((record) => this.row(record));
    this.list.replaceChildren(...rows);
    const row = playing && rows.find((r) => r.dataset["id"] === playing);
    if (row && this.player) row.append(this.player);
    else this.stop();
    this.next_ = page.next;
    show(this.more, page.next !== null);
    show(this.empty, page.items.length === 0);
  }

  private async next(): Promise<void> {
    const page = this.next_ === null ? null : await this.page(this.next_);
    if (!page) return;
    this.list.append(...page.items.map((record) => this.row(record)));
    this.next_ = page.next;
    show(this.more, page.next !== null);
  }

  /** Agents are shown their own by the switch; who may see all asks for those of the own extension. */
  private async page(cursor: string | null) {
    try {
      return await this.api.records(this.everybody ? this.extension : null, cursor);
    } catch (error) {
      // Asked for again after the next call; what is wrong with the login says so itself.
      console.warn(error);
      return null;
    }
  }

  private row(record: CallRecord): HTMLElement {
    const out = record.caller === this.extension;
    const answered = record.outcome === "answered";
    const kind = out ? "out" : answered ? "in" : "missed";
    const number = out ? record.callee : record.caller;
    const name = out ? "" : record.caller_name;
    const scores = record.legs.map((leg) => leg.quality?.mos).filter((mos): mos is number => typeof mos === "number");
    const details = [
      when(record.started_at),
      answered ? howLong(record.talk_ms) : outcome(record.outcome),
      answered && scores.length > 0 ? `MOS ${Math.min(...scores).toFixed(1)}` : "",
    ];
    const label = say(kind === "out" ? "outgoing" : kind === "in" ? "received" : "missed");
    const row = el(
      "li",
      { class: kind, "data-id": record.id, "data-outcome": record.outcome },
      el("span", { class: "kind", title: label }, icon(kind), el("span", { class: "unseen" }, label)),
      el(
        "div",
        { class: "who" },
        el("strong", {}, name || number || say("unknown")),
        el("span", {}, [name && number, ...details].filter(Boolean).join(" · ")),
      ),
    );
    const button = (picture: "play" | "call", text: string, run: () => void) =>
      el("button", { type: "button", class: "plain", "data-act": picture, "aria-label": `${text} ${number}`, title: text, onclick: run }, icon(picture));
    if (record.recording) row.append(button("play", say("play"), () => void this.play(record.id, row)));
    if (number && this.extension) row.append(button("call", say("callBack"), () => this.dial(number)));
    return row;
  }

  private async play(record: string, row: HTMLElement): Promise<void> {
    const open = this.player?.dataset["record"] === record;
    this.stop();
    if (open) return;
    const player = el("div", { class: "player", "data-record": record });
    this.player = player;
    row.append(player);
    try {
      const url = URL.createObjectURL(await this.api.recording(record));
      if (this.player !== player) return URL.revokeObjectURL(url);
      this.source = url;
      const audio = el("audio", { controls: true, src: url, "aria-label": say("play") });
      player.append(audio);
      await playBy(audio, soundSettings().speaker);
      await audio.play().catch(() => {});
    } catch {
      player.append(el("p", { role: "alert" }, say("recordingGone")));
    }
  }

  private stop(): void {
    this.player?.remove();
    this.player = null;
    if (this.source) URL.revokeObjectURL(this.source);
    this.source = "";
  }
}
