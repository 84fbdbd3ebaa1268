// The switch's API, as far as an agent's page asks it.

const BASE = "/patchbay/v1";

export interface User {
  id: number;
  username: string;
  nickname: string;
  role: string;
  extension: string | null;
}

export interface PhoneInfo {
  name: string;
  iceServers: RTCIceServer[];
}

export interface CallRecord {
  id: string;
  caller: string;
  caller_name: string;
  callee: string;
  started_at: number;
  talk_ms: number;
  outcome: string;
  legs: { number: string; quality: { mos: number | null; remote_mos: number | null } | null }[];
  recording: object | null;
}

export interface RecordPage {
  items: CallRecord[];
  next: string | null;
}

/** A refusal in the switch's own words; `code` names it, `status` 0 means that nobody answered. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly after = 0,
  ) {
    super(code || String(status));
  }
}

export class Api {
  /** Hears that the token does not count any more. */
  expired: () => void = () => {};

  constructor(public token: string) {}

  static async logIn(username: string, password: string): Promise<{ token: string; user: User }> {
    const body = JSON.stringify({ username, password });
    const headers = { "content-type": "application/json" };
    return (await ask(`${BASE}/session`, { method: "POST", headers, body })).json();
  }

  async whoAmI(): Promise<User> {
    return (await this.get("/session")).json();
  }

  /** What the user's phone needs: how it is called, and servers that help sound through firewalls, whose credentials lapse. */
  async phone(): Promise<PhoneInfo> {
    const told = await (await this.get("/session/phone")).json();
    const servers: PhoneInfo["iceServers"] = [];
    for (const { urls, username, credential } of told.ice_servers ?? []) {
      servers.push(typeof username === "string" ? { urls, username, credential } : { urls });
    }
    return { name: String(told.name ?? ""), iceServers: servers };
  }

  async records(extension: string | null, cursor: string | null): Promise<RecordPage> {
    const search = new URLSearchParams({ limit: "30" });
    if (extension) search.set("number", extension);
    if (cursor) search.set("cursor", cursor);
    return (await this.get(`/records?${search}`)).json();
  }

  async recording(record: string): Promise<Blob> {
    return (await this.get(`/records/${encodeURIComponent(record)}/recording`)).blob();
  }

  private async get(path: string): Promise<Response> {
    try {
      return await ask(BASE + path, { headers: { authorization: `Bearer ${this.token}` } });
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.expired();
      throw error;
    }
  }
}

async function ask(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { ...init, cache: "no-store", credentials: "omit" });
  } catch {
    throw new ApiError(0, "unreachable");
  }
  if (response.ok) return response;
  let code = "";
  try {
    code = String((await response.json()).code ?? "");
  } catch {
    // Not ours: something stands between us and the switch.
  }
  throw new ApiError(response.status, code, Number(response.headers.get("retry-after") ?? 0));
}
