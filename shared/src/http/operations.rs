//! The [`operations!`](crate::operations) macro: declares a function's operations once, and generates its router, its
//! OpenAPI document and the operation names in its log.

use std::marker::PhantomData;

use axum::{
    Router,
    extract::{MatchedPath, Request},
};
use http::Method;
use tower::util::MapRequestLayer;
use tracing::Span;

/// An operation: its method in lower case, its route as registered, and its id, which is the name of its handler.
pub type Operation = (&'static str, &'static str, &'static str);

/// The result of [`operations!`](crate::operations): the operations and their router, without its state.
#[derive(Debug)]
pub struct Operations<S> {
    /// Every operation.
    pub declared: &'static [Operation],
    /// The router of their routes.
    pub router: Router<S>,
    /// The type of the handlers' state.
    pub state: PhantomData<S>,
}

impl<S: Clone + Send + Sync + 'static> Operations<S> {
    /// Returns the router with its state. For each request it records the matched route and the operation's id in the log's
    /// span. The path itself is not logged, because a client can put a token or an email into it.
    pub fn with_state(self, state: S) -> Router {
        let declared = self.declared;
        let note = MapRequestLayer::new(move |request: Request| {
            if let Some(route) = request.extensions().get::<MatchedPath>() {
                let span = Span::current();
                span.record("route", route.as_str());
                if let Some(id) = operation(declared, request.method(), route.as_str()) {
                    span.record("operation", id);
                }
            }
            request
        });
        self.router.layer(note).with_state(state)
    }
}

/// Returns the id of the operation with this method and route. `HEAD` counts as `GET`.
fn operation(declared: &[Operation], method: &Method, route: &str) -> Option<&'static str> {
    let method = if method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let found = declared
        .iter()
        .find(|(own, at, _)| *at == route && own.eq_ignore_ascii_case(method));
    found.map(|(_, _, id)| *id)
}

/// Declares a function's operations: `"/path/" => method: handler, method: handler;` for each route.
///
/// Defines two functions, `operations() -> Operations<State>` and `documented() -> utoipa::openapi::OpenApi`. They are
/// separate so that a cold start doesn't build the document.
#[macro_export]
macro_rules! operations {
    ($state:ty; $($route:literal => $($method:ident: $handler:ident),+;)+) => {
        /// Returns every operation of the function.
        fn operations() -> $crate::http::operations::Operations<$state> {
            $crate::http::operations::Operations {
                declared: &[$($((stringify!($method), $route, stringify!($handler))),+),+],
                router: ::axum::Router::new()
                    $(.route($route, ::axum::routing::MethodRouter::new()$(.$method($handler))+))+,
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
        let found = |method, route| operation(&declared, &method, route);
        assert_eq!(found(Method::GET, "/a/"), Some("get_a"));
        assert_eq!(found(Method::HEAD, "/b/"), Some("get_b"));
        assert_eq!(found(Method::POST, "/a/"), Some("add_a"));
        assert_eq!(found(Method::PUT, "/a/"), None);
        assert_eq!(found(Method::GET, "/c/"), None);
    }
}
