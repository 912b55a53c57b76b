//! The functions on this machine, each with its role.

use std::collections::HashMap;

use axum::Router;
use marquee_auth::{AuthState, Vault};
use marquee_covers::{CoversFunction, CoversState, Objects};
use marquee_docs::DocsState;
use marquee_shared::{AppState, covers::Covers};

use crate::{guard::Guard, template::Template};

/// A function on this machine.
#[derive(Clone, Debug)]
pub struct Function {
    /// The state of the function's handlers. Calls to the table pass the guard.
    pub state: AppState,
    /// Limits the function to its role.
    pub guard: Guard,
}

/// The functions. They share only connections, so that they are as separate as processes on AWS.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the function of that name")]
pub struct Functions {
    pub auth: Function,
    pub covers: Function,
    pub docs: Function,
    pub mail: Function,
    pub movies: Function,
    pub sweep: Function,
    pub users: Function,
    /// What the covers function does for the others: it receives images, and sweeps those that no movie has.
    pub images: CoversFunction,
    /// Where covers are stored.
    pub objects: Objects,
}

impl Function {
    /// The function of this name, with the operator's connections and the role of the template. Without a role it may do
    /// nothing.
    fn new(name: &str, template: &Template, operator: &AppState) -> Self {
        let config = (*operator.config).clone();
        let role = template.roles.get(name).cloned().unwrap_or_default();
        let guard = Guard::new(name, role, &config.table, &template.table);
        let client = guard.client(&operator.store.client);
        Self {
            state: AppState::new(config, client, operator.clock.clone()),
            guard,
        }
    }
}

impl Functions {
    /// New functions without any cached state, with the operator's connections and this store of covers.
    #[must_use]
    pub fn new(template: &Template, operator: &AppState, objects: Objects) -> Self {
        let function = |name| Function::new(name, template, operator);
        let (covers, mut movies) = (function("covers"), function("movies"));
        let images = CoversFunction::new(covers.state.store.clone(), Some(objects.clone()));
        // On AWS it invokes the covers function.
        movies.state = movies.state.with_covers(Covers::new(images.clone()));
        Self {
            auth: function("auth"),
            covers,
            docs: function("docs"),
            mail: function("mail"),
            movies,
            sweep: function("sweep"),
            users: function("users"),
            images,
            objects,
        }
    }

    fn docs_router(&self) -> Result<Router, axum::http::Error> {
        let AppState { config, store, .. } = self.docs.state.clone();
        let state = DocsState::new(move || store, &config.http);
        marquee_docs::router(state, &config.http)
    }

    /// Returns each function with its name, which is the last segment of its `CodeUri`.
    #[must_use]
    pub fn by_name(&self) -> [(&'static str, &Function); 7] {
        [
            ("auth", &self.auth),
            ("covers", &self.covers),
            ("docs", &self.docs),
            ("mail", &self.mail),
            ("movies", &self.movies),
            ("sweep", &self.sweep),
            ("users", &self.users),
        ]
    }

    /// Returns the routers of the functions that answer requests, by name. `vault` has the secrets of auth.
    ///
    /// # Errors
    /// Returns an error if a configured CORS origin isn't a header value.
    pub fn routers(&self, vault: Vault) -> Result<HashMap<String, Router>, axum::http::Error> {
        let auth = AuthState {
            app: self.auth.state.clone(),
            vault: vault.into(),
        };
        let covers = CoversState {
            app: self.covers.state.clone(),
            objects: Some(self.objects.clone()),
        };
        Ok(HashMap::from([
            ("auth".into(), marquee_auth::router(auth)?),
            ("covers".into(), marquee_covers::router(covers)?),
            (
                "movies".into(),
                marquee_movies::router(self.movies.state.clone())?,
            ),
            ("users".into(), marquee_users::router(self.users.state.clone())?),
            ("docs".into(), self.docs_router()?),
        ]))
    }
}
