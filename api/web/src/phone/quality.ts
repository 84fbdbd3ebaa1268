// How a call sounds, from what the browser measures, and the opinion score of the E-model as the switch reckons it.
import type { CallQuality } from "../types";

/** Packets counted so far. */
export interface Counted {
  received: number;
  lost: number;
}

/** ITU-T G.107 with the impairments of G.113 for G.711 with concealment; annex B turns the rating into a score. */
export function opinion(lossPercent: number, delayMs: number): number {
  const equipment = (95 * lossPercent) / (lossPercent + 25.1);
  const delay = 0.024 * delayMs + 0.11 * Math.max(delayMs - 177.3, 0);
  const rating = Math.min(Math.max(93.2 - equipment - delay, 0), 100);
  return Math.max(1 + 0.035 * rating + 7e-6 * rating * (rating - 60) * (100 - rating), 1);
}

/** What a connection tells now; losses are those since `before`, or of the whole call. */
export async function measure(connection: RTCPeerConnection, before?: Counted): Promise<[CallQuality, Counted]> {
  // The types of statistics differ by browser.
  const all = [...((await connection.getStats()) as unknown as Map<string, any>).values()];
  const inbound = all.find((s) => s.type === "inbound-rtp" && s.kind === "audio");
  const outbound = all.find((s) => s.type === "outbound-rtp" && s.kind === "audio");
  const theirs = all.find((s) => s.type === "remote-inbound-rtp" && s.kind === "audio");
  const pair = all.find((s) => s.type === "candidate-pair" && s.nominated && s.state === "succeeded");
  const codec = all.find((s) => s.id === (inbound ?? outbound)?.codecId);
  const counted = { received: inbound?.packetsReceived ?? 0, lost: Math.max(inbound?.packetsLost ?? 0, 0) };
  const received = counted.received - (before?.received ?? 0);
  const lost = Math.max(counted.lost - (before?.lost ?? 0), 0);
  const lossPercent = received + lost > 0 ? (100 * lost) / (received + lost) : 0;
  const jitterMs = 1000 * (inbound?.jitter ?? 0);
  const trip = theirs?.roundTripTime ?? pair?.currentRoundTripTime;
  const rttMs = trip === undefined ? null : 1000 * trip;
  const quality = {
    codec: String(codec?.mimeType ?? "").replace(/^audio\//i, ""),
    lossPercent,
    jitterMs,
    rttMs,
    mos: received > 0 ? opinion(lossPercent, (rttMs ?? 0) / 2 + 2 * jitterMs + 20) : null,
  };
  return [quality, counted];
}
