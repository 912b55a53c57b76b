//! The [`operations!`](crate::operations) macro: declares a function's operations once, and generates its router, its
//! OpenAPI document and the operation names in its log.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    marker::PhantomData,
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    extract::{FromRef, MatchedPath, Request},
    response::Response,
};
use http::Method;
use tower::util::{MapRequestLayer, ThenLayer};
use tracing::Span;
use utoipa::openapi::{OpenApi, RefOr, Schema, path::ParameterIn};

use crate::{
    auth::caller::of_existing_user,
    http::{
        openapi,
        query::{KnownParam, KnownParams},
    },
    state::AppState,
    telemetry::request::note_operation,
};

/// An operation: its method in lower case, its route as registered, and its id, which is the name of its handler.
pub type Operation = (&'static str, &'static str, &'static str);

/// The result of [`operations!`](crate::operations): the operations and their router, without its state.
#[derive(Debug)]
pub struct Operations<S> {
    /// Every operation.
    pub declared: &'static [Operation],
    /// Returns their OpenAPI document.
    pub documented: fn() -> OpenApi,
    /// The router of their routes.
    pub router: Router<S>,
    /// The type of the handlers' state.
    pub state: PhantomData<S>,
}

impl<S: Clone + Send + Sync + 'static> Operations<S> {
    /// Returns the router with its state. It adds the operation to each request, so that its query can be checked, and records
    /// the matched route and the operation's id in the log's span. The path itself is not logged, because a client can put a
    /// token or an email into it.
    pub fn with_state(self, state: S) -> Router {
        let note = self.note();
        self.router.layer(note).with_state(state)
    }

    fn note(&self) -> MapRequestLayer<impl Fn(Request) -> Request + Clone + use<S>> {
        let declared = self.declared;
        let parameters = Arc::new(Parameters {
            document: self.documented,
            by_operation: OnceLock::new(),
        });
        MapRequestLayer::new(move |mut request: Request| {
            if let Some(route) = request.extensions().get::<MatchedPath>() {
                let span = Span::current();
                span.record("route", route.as_str());
                if let Some((_, route, id)) = operation(declared, request.method(), route.as_str()) {
                    note_operation(route, id);
                    span.record("operation", id);
                    if let Some(known) = request.uri().query().and_then(|_| parameters.of(id)) {
                        request.extensions_mut().insert(known);
                    }
                }
            }
            request
        })
    }
}

impl<S: Clone + Send + Sync + 'static> Operations<S>
where
    AppState: FromRef<S>,
{
    /// As [`with_state`](Self::with_state), for operations that take access tokens: one of a user who doesn't exist any more is
    /// `401` in each of them.
    pub fn of_callers(self, state: S) -> Router {
        let store = Arc::new(AppState::from_ref(&state).store);
        let existing = ThenLayer::new(move |answered: Result<Response, Infallible>| {
            let store = Arc::clone(&store);
            async move {
                let Ok(response) = answered;
                Ok::<_, Infallible>(of_existing_user(&store, response).await)
            }
        });
        // As one layer: each layer of a router costs an allocation for each request.
        let layers = (self.note(), existing);
        self.router.layer(layers).with_state(state)
    }
}

/// The query parameters of a function's operations.
struct Parameters {
    document: fn() -> OpenApi,
    by_operation: OnceLock<BTreeMap<String, KnownParams>>,
}

impl Parameters {
    /// Returns the query parameters of the operation with this id. The first call reads them from the document: a cold start
    /// doesn't need them.
    fn of(&self, id: &str) -> Option<KnownParams> {
        let read = || query_parameters((self.document)());
        self.by_operation.get_or_init(read).get(id).cloned()
    }
}

/// Returns the query parameters of every operation of a document, by the operation's id. A parameter whose schema is an array
/// may be given more than once.
fn query_parameters(mut document: OpenApi) -> BTreeMap<String, KnownParams> {
    let mut all = BTreeMap::new();
    for operation in document.paths.paths.values_mut().flat_map(openapi::operations) {
        let parameters = operation.parameters.take().into_iter().flatten();
        let known = parameters.filter_map(|parameter| match parameter {
            RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => Some(KnownParam {
                repeats: matches!(parameter.schema, Some(RefOr::T(Schema::Array(_)))),
                name: parameter.name,
            }),
            _ => None,
        });
        let known: Arc<[KnownParam]> = known.collect();
        all.insert(
            operation.operation_id.take().unwrap_or_default(),
            KnownParams(known),
        );
    }
    all
}

/// Returns the operation with this method and route. `HEAD` counts as `GET`.
fn operation<'a>(declared: &'a [Operation], method: &Method, route: &str) -> Option<&'a Operation> {
    let method = if method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    declared
        .iter()
        .find(|(own, at, _)| *at == route && own.eq_ignore_ascii_case(method))
}

/// Declares a function's operations: `"/path/" => method: handler, method: handler;` for each route.
///
/// Defines two functions, `operations() -> Operations<State>` and `documented() -> utoipa::openapi::OpenApi`. They are
/// separate so that a cold start doesn't build the document.
///
/// The last argument of each handler must check the query: see [`query`](crate::http::query).
#[macro_export]
macro_rules! operations {
    ($state:ty; $($route:literal => $($method:ident: $handler:ident),+;)+) => {
        /// Returns every operation of the function.
        fn operations() -> $crate::http::operations::Operations<$state> {
            $crate::http::operations::Operations {
                declared: &[$($((stringify!($method), $route, stringify!($handler))),+),+],
                documented,
                router: ::axum::Router::new()
                    $(.route($route, ::axum::routing::MethodRouter::new()
                        $(.$method($crate::http::query::checked::<_, _, $state>($handler)))+))+,
                state: ::std::marker::PhantomData,
            }
        }

        /// Returns the OpenAPI document of every operation.
        fn documented() -> ::utoipa::openapi::OpenApi {
            #[derive(::utoipa::OpenApi)]
            #[openapi(paths($($($handler),+),+))]
            struct Documented;
            <Documented as ::utoipa::OpenApi>::openapi()
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_found_by_its_method_and_route() {
        let declared = [
            ("get", "/a/", "get_a"),
            ("post", "/a/", "add_a"),
            ("get", "/b/", "get_b"),
        ];
        let found = |method, route| operation(&declared, &method, route).map(|(_, _, id)| *id);
        assert_eq!(found(Method::GET, "/a/"), Some("get_a"));
        assert_eq!(found(Method::HEAD, "/b/"), Some("get_b"));
        assert_eq!(found(Method::POST, "/a/"), Some("add_a"));
        assert_eq!(found(Method::PUT, "/a/"), None);
        assert_eq!(found(Method::GET, "/c/"), None);
    }
}
