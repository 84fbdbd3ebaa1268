//! The client for TypeScript, made from the API's own description, so that it is as true as that is.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Where it is served.
pub(crate) const PATH: &str = "/sdk/client.ts";

/// What every method stands on.
const HEAD: &str = r#"// The client of Patchbay's native API, made by the server from its description. Needs `fetch`; `events` needs `WebSocket`.

/** What went wrong (RFC 9457): `code` is stable, `title` and `detail` are for people. */
export class Problem extends Error {
  constructor(readonly status: number, readonly code: string, readonly body: unknown) {
    super(`${status} ${code}`);
  }
}

/** The first message of a stream of events. */
export interface Ready { ready: { next: number } }
/** Events that are kept no longer. */
export interface Gap { gap: { from: number; to: number } }

export class Patchbay {
  /** `base` is the server's address without a path; `token` comes from `postSession`. */
  constructor(readonly base: string, public token = "") {}

  /** Logs in; the token goes with everything from then on. */
  async logIn(username: string, password: string): Promise<SessionOut> {
    const session = await this.postSession({ username, password });
    this.token = session.token;
    return session;
  }

  /** Follows events from now on, or from a sequence number on. */
  events(query: { kinds?: string; extension?: string; call?: string; queue?: string; from?: number },
    heard: (message: EventOut | Ready | Gap) => void): WebSocket {
    const address = this.base.replace(/^http/, "ws") + "/patchbay/v1/events" + search({ ...query, token: this.token });
    const socket = new WebSocket(address);
    socket.onmessage = (message) => heard(JSON.parse(message.data));
    return socket;
  }

  private async call(method: string, path: string, query: object, body?: unknown): Promise<Response> {
    const headers: Record<string, string> = { "x-token": this.token };
    const plain = body instanceof Blob || body instanceof ArrayBuffer;
    if (body !== undefined && !plain) headers["content-type"] = "application/json";
    const sent = body === undefined ? undefined : plain ? body as BodyInit : JSON.stringify(body);
    const response = await fetch(this.base + path + search(query), { method, headers, body: sent });
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    throw new Problem(response.status, problem.code ?? "unknown", problem);
  }
"#;

const TAIL: &str = r#"}

function search(query: object): string {
  const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return set.length ? "?" + new URLSearchParams(set.map(([key, value]) => [key, String(value)])) : "";
}
"#;

/// The client for an API of this description.
pub(crate) fn of(api: &Value) -> String {
    let mut text = HEAD.to_owned();
    for (path, operations) in entries(&api["paths"]) {
        for (method, operation) in entries(operations) {
            text.push_str(&function(method, path, operation));
        }
    }
    text.push_str(TAIL);
    for (name, schema) in entries(&api["components"]["schemas"]) {
        drop_error(write!(text, "\n{}export type {name} = {};\n", comment(schema, ""), kind(schema)));
    }
    text
}

fn entries(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// One operation.
fn function(method: &str, path: &str, operation: &Value) -> String {
    let mut address = path.to_owned();
    let (mut arguments, mut query, mut usual) = (Vec::new(), Vec::new(), " = {}");
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        if parameter["in"] == "path" {
            arguments.push(format!("{}: {}", identifier(name), kind(&parameter["schema"])));
            let value = format!("${{encodeURIComponent({})}}", identifier(name));
            address = address.replace(&format!("{{{name}}}"), &value);
        } else if parameter["in"] == "query" {
            let must = parameter["required"] == true;
            if must {
                usual = "";
            }
            let mark = if must { "" } else { "?" };
            query.push(format!("{name}{mark}: {}", kind(&parameter["schema"])));
        }
    }
    let mut sent = "";
    if let Some((_, body)) = entries(&operation["requestBody"]["content"]).next() {
        let json = &operation["requestBody"]["content"]["application/json"]["schema"];
        let body = if json.is_null() && !body.is_null() { "Blob | ArrayBuffer".to_owned() } else { kind(json) };
        let mark = if operation["requestBody"]["required"] == true { "" } else { "?" };
        arguments.push(format!("body{mark}: {body}"));
        sent = ", body";
    }
    let asked = if query.is_empty() {
        "{}"
    } else {
        arguments.push(format!("query: {{ {} }}{usual}", query.join("; ")));
        "query"
    };
    let (result, read) = result(operation);
    let (name, verb) = (name_of(method, path), method.to_uppercase());
    let summary = operation["summary"].as_str().unwrap_or_default();
    format!(
        "\n  /** {summary} */\n  async {name}({}): Promise<{result}> {{\n    const response = await this.call(\"{verb}\", `{address}`, {asked}{sent});\n    return {read};\n  }}\n",
        arguments.join(", ")
    )
}

/// What an operation gives when all is well, and how it is read.
fn result(operation: &Value) -> (String, &'static str) {
    let good = entries(&operation["responses"]).filter(|(status, _)| status.starts_with('2'));
    for (_, response) in good {
        let json = &response["content"]["application/json"]["schema"];
        if !json.is_null() {
            return (kind(json), "response.json()");
        }
        if response["content"].is_object() {
            return ("Blob".to_owned(), "response.blob()");
        }
    }
    ("void".to_owned(), "void response")
}

/// A schema as a type.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or("unknown").to_owned();
    }
    let union =
        |all: &[Value]| all.iter().map(kind).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" | ");
    if let Some(all) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        return union(all);
    }
    if let Some(all) = schema["allOf"].as_array() {
        return all.iter().map(kind).collect::<Vec<_>>().join(" & ");
    }
    if let Some(names) = schema["enum"].as_array() {
        return names.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    match &schema["type"] {
        Value::Array(all) => {
            let each = all.iter().map(|one| {
                let mut alone = schema.clone();
                alone["type"] = one.clone();
                kind(&alone)
            });
            each.collect::<Vec<_>>().join(" | ")
        }
        Value::String(name) => match name.as_str() {
            "integer" | "number" => "number".to_owned(),
            "array" => format!("Array<{}>", kind(&schema["items"])),
            "object" => object(schema),
            "null" | "boolean" | "string" => name.clone(),
            _ => "unknown".to_owned(),
        },
        _ => "unknown".to_owned(),
    }
}

fn object(schema: &Value) -> String {
    if !schema["properties"].is_object() {
        let of = &schema["additionalProperties"];
        return if of.is_object() { format!("Record<string, {}>", kind(of)) } else { "object".to_owned() };
    }
    let required: BTreeSet<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = entries(&schema["properties"]).map(|(name, field)| {
        let mark = if required.contains(name) { "" } else { "?" };
        format!("{}  {name}{mark}: {};\n", comment(field, "  "), kind(field))
    });
    format!("{{\n{}}}", fields.collect::<String>())
}

fn comment(schema: &Value, indent: &str) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    if text.is_empty() {
        String::new()
    } else {
        format!("{indent}/** {} */\n", text.replace('\n', " ").replace("*/", "* /"))
    }
}

/// `get /extensions/{number}` is `getExtensionsByNumber`.
fn name_of(method: &str, path: &str) -> String {
    let mut name = method.to_owned();
    for part in path.trim_start_matches("/patchbay/v1").split('/').filter(|part| !part.is_empty()) {
        if let Some(parameter) = part.strip_prefix('{') {
            name.push_str("By");
            name.push_str(&camel(parameter.trim_end_matches('}')));
        } else {
            name.push_str(&camel(part));
        }
    }
    name
}

/// Each word with a capital.
fn camel(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

/// A parameter's name as that of an argument.
fn identifier(name: &str) -> String {
    let camel = camel(name);
    camel.get(..1).unwrap_or_default().to_ascii_lowercase() + camel.get(1..).unwrap_or_default()
}

/// Writing to a text cannot fail.
fn drop_error(result: std::fmt::Result) {
    stdx::never!(result.is_err(), "a text does not take more");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_become_methods_and_schemas_types() {
        let thing = json!({ "type": "object", "required": ["n"], "properties": {
            "n": { "type": "integer", "description": "How many" },
            "s": { "type": ["string", "null"], "enum": ["a", null] },
            "l": { "type": "array", "items": { "$ref": "#/components/schemas/Thing" } },
        }});
        let responses = json!({ "200": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } } } } });
        let operation = json!({
            "summary": "Change it",
            "parameters": [
                { "name": "voice-id", "in": "path", "required": true, "schema": { "type": "string" } },
                { "name": "limit", "in": "query", "schema": { "type": ["integer", "null"] } },
            ],
            "requestBody": { "required": true, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } } } },
            "responses": responses,
        });
        let api = json!({
            "paths": { "/patchbay/v1/things/{voice-id}": { "put": operation } },
            "components": { "schemas": { "Thing": thing } },
        });
        let text = of(&api);
        for line in [
            "async putThingsByVoiceId(voiceId: string, body: Thing, query: { limit?: number | null } = {}): Promise<Thing> {",
            r#"this.call("PUT", `/patchbay/v1/things/${encodeURIComponent(voiceId)}`, query, body);"#,
            "export type Thing = {\n  l?: Array<Thing>;\n  /** How many */\n  n: number;\n  s?: \"a\" | null;\n};",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
