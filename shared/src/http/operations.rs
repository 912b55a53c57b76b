//! A function's operations, declared once: its routes, its part of the OpenAPI document, and the names that the log uses.

use std::marker::PhantomData;

use axum::{
    Router,
    extract::{MatchedPath, Request},
};
use http::Method;
use tower::util::MapRequestLayer;
use tracing::Span;

/// One operation: its method in lower case, its route as it is registered, and its id, which is its handler's name.
pub type Operation = (&'static str, &'static str, &'static str);

/// What [`operations!`](crate::operations) declares, before it has its state.
#[derive(Debug)]
pub struct Operations<S> {
    /// Every operation.
    pub declared: &'static [Operation],
    /// Their routes.
    pub router: Router<S>,
    /// The state that the handlers are given.
    pub state: PhantomData<S>,
}

impl<S: Clone + Send + Sync + 'static> Operations<S> {
    /// The router, in which a request writes the route that it matched and its operation's id into the log's span. Both
    /// are the product's own words. The path is the client's, and may hold a token or an email, so no log has it.
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

/// The id of the operation that has this method and route. `HEAD` is `GET`.
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
/// Makes two functions of it, `operations() -> Operations<State>` and `documented() -> utoipa::openapi::OpenApi`. The
/// description isn't made of the router: at a cold start nobody asks for it.
#[macro_export]
macro_rules! operations {
    ($state:ty; $($route:literal => $($method:ident: $handler:ident),+;)+) => {
        /// The function's whole list of routes.
        fn operations() -> $crate::http::operations::Operations<$state> {
            $crate::http::operations::Operations {
                declared: &[$($((stringify!($method), $route, stringify!($handler))),+),+],
                router: ::axum::Router::new()
                    $(.route($route, ::axum::routing::MethodRouter::new()$(.$method($handler))+))+,
                state: ::std::marker::PhantomData,
            }
        }

        /// The descriptions of all of them.
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
