//! What the API says of itself.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, SecurityRequirement, Tag};

/// Where the description is.
pub(crate) const PATH: &str = "/patchbay/v1/openapi.json";
/// Where the page to try it is.
pub(crate) const DOCS: &str = "/patchbay/v1/docs";

/// The description's head; the operations come from the routes themselves.
pub(crate) fn of(version: &str) -> OpenApi {
    let info = InfoBuilder::new()
        .title("Patchbay")
        .version(version)
        .description(Some(
            "The native API. Log in at `/patchbay/v1/session`; send the token as `Authorization: Bearer …` or \
             `x-token: …`. Times are Unix milliseconds. Everything that goes wrong is told as RFC 9457 problem with a \
             stable `code`, in Chinese or English by `Accept-Language`.",
        ))
        .license(Some(License::new("MIT OR Apache-2.0")))
        .build();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = ComponentsBuilder::new()
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        .security_scheme("x-token", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-token"))))
        .build();
    let either = ["bearer", "x-token"].map(|name| SecurityRequirement::new(name, Vec::<String>::new()));
    let tag = |name: &str, what: &str| {
        let mut tag = Tag::new(name);
        tag.description = Some(what.into());
        tag
    };
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some(either))
        .tags(Some([
            tag("session", "Logging in"),
            tag("users", "Who may log in"),
            tag("extensions", "Numbers with SIP credentials"),
            tag("queues", "Queues and agents"),
            tag("live", "What is going on now"),
            tag("prompts", "Sound files that can be played into calls"),
            tag("security", "Who is kept out"),
            tag("records", "What is over: call records, recordings, traces"),
            tag("voicemail", "Mailboxes and the messages in them"),
            tag("routing", "Where numbers lead, and which are blocked"),
            tag("webhooks", "Programs that are told what happens"),
            tag("ctibar", "The phone bar's contract"),
        ]))
        .build()
}
