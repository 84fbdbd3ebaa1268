//! Routes and blocked numbers that are set by the API, beside those of the configuration.

use crate::{Store, StoreError};
use model::{BlackList, Route, Routing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const KEY: &str = "routing";

/// What is set by the API: few and read as a whole, so it is kept as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRouting {
    /// The number that the last route got; none gets it again.
    pub last: i64,
    /// Routes by number.
    pub routes: BTreeMap<i64, Route>,
    /// Blocked numbers.
    pub black_list: BlackList,
}

impl StoredRouting {
    /// In the switch's words.
    pub fn to_model(&self) -> Routing {
        Routing { routes: self.routes.values().cloned().collect(), black_list: self.black_list.clone() }
    }
}

impl Store {
    /// What is set now.
    pub async fn routing(&self) -> Result<StoredRouting, StoreError> {
        match self.setting(KEY).await? {
            Some(text) => serde_json::from_str(&text).map_err(|_| StoreError::Damaged("routes")),
            None => Ok(StoredRouting::default()),
        }
    }

    /// Sets all of it.
    pub async fn set_routing(&self, routing: &StoredRouting) -> Result<(), StoreError> {
        let text = serde_json::to_string(routing).map_err(|_| StoreError::Damaged("routes, for writing"))?;
        self.set_setting(KEY, &text).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use model::RouteTarget;

    #[tokio::test]
    async fn what_was_set_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Config::new(dir.path())).await.unwrap();
        assert_eq!(store.routing().await.unwrap(), StoredRouting::default());
        let routes =
            [(3, Route::new("9*", RouteTarget::trunk("t"))), (4, Route::new("8", RouteTarget::Conference("c".into())))];
        let black_list = BlackList { callers: vec!["139*".into()], called: Vec::new() };
        let set = StoredRouting { last: 4, routes: routes.into(), black_list };
        store.set_routing(&set).await.unwrap();
        store.close().await;
        let again = Store::open(Config::new(dir.path())).await.unwrap();
        assert_eq!(again.routing().await.unwrap(), set);
        assert_eq!(set.to_model().routes.len(), 2);
    }
}
