// What went wrong, in words that say what to do next.
import { ApiError } from "./api";
import { type Word, say } from "./words";

export function loginProblem(error: unknown): string {
  if (!(error instanceof ApiError)) return say("saySomethingElse", String(error));
  switch (error.status) {
    case 0:
      return say("sayUnreachable");
    case 400:
    case 401:
      return say("sayWrongLogin");
    case 403:
      return say("sayDisabled");
    case 429:
      return say("sayTooMany", String(Math.max(Math.ceil(error.after / 60), 1)));
    default:
      return say("saySomethingElse", error.code || String(error.status));
  }
}

export function microphoneProblem(error: unknown): string {
  if (!window.isSecureContext || !navigator.mediaDevices) return say("sayInsecure");
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
    case "SecurityError":
      return say("sayMicRefused");
    case "NotFoundError":
      return say("sayMicMissing");
    case "NotReadableError":
    case "AbortError":
      return say("sayMicBusy");
    default:
      return say("sayMicOther");
  }
}

/** JsSIP's causes. */
const CAUSES: Record<string, Word> = {
  Busy: "causeBusy",
  Rejected: "causeRefused",
  Unavailable: "causeAbsent",
  "Not Found": "causeNoNumber",
  "Address Incomplete": "causeNoNumber",
  "No Answer": "causeNoAnswer",
  Expires: "causeNoAnswer",
  "Request Timeout": "causeConnection",
  "Connection Error": "causeConnection",
  Canceled: "causeCancelled",
  "Incompatible SDP": "causeIncompatible",
  "Missing SDP": "causeIncompatible",
  "Authentication Error": "causeForbidden",
  Terminated: "causeOver",
};

export function endOf(cause: string): string {
  const known = CAUSES[cause];
  return known ? say(known) : say("causeOther", cause);
}

const OUTCOMES: Record<string, Word> = {
  answered: "outcomeAnswered",
  busy: "outcomeBusy",
  no_answer: "outcomeNoAnswer",
  cancelled: "outcomeCancelled",
  rejected: "outcomeRejected",
};

export function outcome(name: string): string {
  return say(OUTCOMES[name] ?? "outcomeOther");
}
