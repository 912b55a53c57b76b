//! The routes of an HTTP API, and which of them matches a request.
//!
//! The rules are those of "Create routes for HTTP APIs" in the API Gateway developer guide: a full match, then a match
//! with a greedy path variable, then `$default`.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use http::Method;

use super::error::TemplateError;

/// The key of the route for requests that no other route matches.
const CATCH_ALL: &str = "$default";

/// One route of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The route's key on API Gateway: `ANY /api/movies/{proxy+}`, or `$default`.
    pub key: String,
    /// The method that the route matches; `None` for any.
    pub method: Option<Method>,
    /// The path with its variables in braces; `$default` for the route of that name.
    pub path: String,
    /// The [`name`](super::Function::name) of the function that answers.
    pub function: String,
    segments: Vec<Segment>,
}

/// The part of a route's path between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Variable(String),
    Greedy(String),
}

/// All routes of the HTTP API.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    routes: Vec<Route>,
}

/// The route that matches a request, and the values of its path variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match<'a> {
    /// The route.
    pub route: &'a Route,
    /// The variables of its path: `{"proxy": "1/favorite"}`. Empty when the path has none.
    pub path_parameters: BTreeMap<String, String>,
}

impl Route {
    /// The `$default` route to a function.
    pub(super) fn catch_all(function: &str) -> Self {
        Self {
            key: CATCH_ALL.to_owned(),
            method: None,
            path: CATCH_ALL.to_owned(),
            function: function.to_owned(),
            segments: Vec::new(),
        }
    }

    /// A route with this method and path. The error says why the path isn't valid.
    pub(super) fn new(method: Option<Method>, path: &str, function: &str) -> Result<Self, String> {
        let Some(rest) = path.strip_prefix('/') else {
            return Err(format!("the path {path} must begin with a slash"));
        };
        if rest.ends_with('/') {
            return Err(format!(
                "the path {path} can't end in a slash: API Gateway has no such routes"
            ));
        }
        let segments = rest
            .split('/')
            .map(|text| Segment::parse(text, path))
            .collect::<Result<Vec<_>, _>>()?;
        if segments
            .iter()
            .rev()
            .skip(1)
            .any(|segment| matches!(segment, Segment::Greedy(_)))
        {
            return Err(format!("the greedy variable of {path} must come last"));
        }
        let key = format!("{} {path}", method.as_ref().map_or("ANY", Method::as_str));
        Ok(Self {
            key,
            method,
            path: path.to_owned(),
            function: function.to_owned(),
            segments,
        })
    }

    /// Returns the path variables if this route's path matches in full.
    ///
    /// Reports differ on whether API Gateway matches `/x/` with the route `/x`. Here it does. Otherwise `/x/` would match
    /// `$default`, because a greedy variable doesn't match an empty rest. The root paths of the functions with their trailing
    /// slash depend on this.
    fn full_match(&self, path: &str) -> Option<BTreeMap<String, String>> {
        let path = path.strip_prefix('/')?;
        let mut parts = path.strip_suffix('/').unwrap_or(path).split('/');
        let mut variables = BTreeMap::new();
        for segment in &self.segments {
            segment.match_part(parts.next()?, &mut variables)?;
        }
        parts.next().is_none().then_some(variables)
    }

    /// Returns the path variables if this route ends in a greedy one and matches.
    fn greedy_match(&self, path: &str) -> Option<BTreeMap<String, String>> {
        let (Segment::Greedy(name), fixed) = self.segments.split_last()? else {
            return None;
        };
        let mut rest = path.strip_prefix('/')?;
        let mut variables = BTreeMap::new();
        for segment in fixed {
            let (part, after) = rest.split_once('/')?;
            segment.match_part(part, &mut variables)?;
            rest = after;
        }
        if rest.is_empty() {
            return None;
        }
        variables.insert(name.clone(), rest.to_owned());
        Some(variables)
    }

    /// Compares two routes that match the same path in the same way. The more specific one is the first to have a literal
    /// where the other has a variable, or a variable where the other is greedy; otherwise the one with a method.
    fn cmp_specificity(&self, other: &Self) -> Ordering {
        let ranks = |route: &Self| route.segments.iter().map(Segment::rank).collect::<Vec<_>>();
        ranks(self)
            .cmp(&ranks(other))
            .then(self.method.is_some().cmp(&other.method.is_some()))
    }
}

impl Segment {
    fn parse(text: &str, path: &str) -> Result<Self, String> {
        match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(name) => match name.strip_suffix('+') {
                Some(name) => Ok(Self::Greedy(name.to_owned())),
                None => Ok(Self::Variable(name.to_owned())),
            },
            None if text.contains(['{', '}']) => Err(format!("a variable of {path} must be a whole segment")),
            None => Ok(Self::Literal(text.to_owned())),
        }
    }

    /// Matches one part of a path. A variable matches any part that isn't empty, and its value is added to `variables`.
    fn match_part(&self, part: &str, variables: &mut BTreeMap<String, String>) -> Option<()> {
        match self {
            Self::Literal(literal) => (literal == part).then_some(()),
            Self::Variable(name) if !part.is_empty() => {
                variables.insert(name.clone(), part.to_owned());
                Some(())
            }
            Self::Variable(_) | Self::Greedy(_) => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Greedy(_) => 0,
            Self::Variable(_) => 1,
            Self::Literal(_) => 2,
        }
    }
}

impl Routes {
    /// Fails when two routes have the same key.
    pub(super) fn new(routes: Vec<Route>) -> Result<Self, TemplateError> {
        let mut keys = BTreeSet::new();
        match routes.iter().find(|route| !keys.insert(&route.key)) {
            Some(route) => Err(TemplateError::Unreadable(format!(
                "two events have the route {}",
                route.key
            ))),
            None => Ok(Self { routes }),
        }
    }

    /// Every route, in the template's order of functions.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }

    /// Returns the route that API Gateway chooses for a request with this method and decoded path. Among the routes for the
    /// method, that is a full match, else the greedy match with the longest path, else `$default`. Of two equal matches, a
    /// route for this method has precedence over `ANY`.
    ///
    /// Returns `None` when no route matches and there is no `$default`. API Gateway answers `404` then.
    pub fn resolve(&self, method: &Method, path: &str) -> Option<Match<'_>> {
        self.best(method, |route| route.full_match(path))
            .or_else(|| self.best(method, |route| route.greedy_match(path)))
            .or_else(|| self.best(method, |route| (route.key == CATCH_ALL).then(BTreeMap::new)))
    }

    /// Returns the most specific route for the method among those that `matches` accepts.
    fn best(
        &self,
        method: &Method,
        matches: impl Fn(&Route) -> Option<BTreeMap<String, String>>,
    ) -> Option<Match<'_>> {
        self.routes
            .iter()
            .filter(|route| route.method.as_ref().is_none_or(|own| own == method))
            .filter_map(|route| {
                matches(route).map(|path_parameters| Match {
                    route,
                    path_parameters,
                })
            })
            .max_by(|a, b| a.route.cmp_specificity(b.route))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(keys: &[&str]) -> Routes {
        let routes = keys.iter().map(|key| match key.split_once(' ') {
            Some(("ANY", path)) => Route::new(None, path, "f").unwrap(),
            Some((method, path)) => Route::new(Some(method.parse().unwrap()), path, "f").unwrap(),
            None => Route::catch_all("f"),
        });
        Routes::new(routes.collect()).unwrap()
    }

    /// The key of the route for a request such as `GET /x`, followed by its variables: `key a=1 b=2`.
    fn resolved(routes: &Routes, request: &str) -> String {
        let (method, path) = request.split_once(' ').unwrap();
        let Some(found) = routes.resolve(&method.parse().unwrap(), path) else {
            return "nothing".to_owned();
        };
        found
            .path_parameters
            .iter()
            .fold(found.route.key.clone(), |key, (name, value)| {
                format!("{key} {name}={value}")
            })
    }

    #[test]
    fn the_developer_guides_own_example() {
        let routes = routes(&[
            "GET /pets/dog/1",
            "GET /pets/dog/{id}",
            "GET /pets/{proxy+}",
            "ANY /{proxy+}",
            "$default",
        ]);
        for (request, route) in [
            ("GET /pets/dog/1", "GET /pets/dog/1"),
            ("GET /pets/dog/2", "GET /pets/dog/{id} id=2"),
            ("GET /pets/cat/1", "GET /pets/{proxy+} proxy=cat/1"),
            ("POST /test/5", "ANY /{proxy+} proxy=test/5"),
            ("POST /pets/dog/1", "ANY /{proxy+} proxy=pets/dog/1"),
            ("GET /pets", "ANY /{proxy+} proxy=pets"),
            ("GET /", "$default"),
        ] {
            assert_eq!(resolved(&routes, request), route, "{request}");
        }
    }

    #[test]
    fn a_group_is_reached_under_all_its_spellings() {
        let routes = routes(&[
            "ANY /api/movies",
            "ANY /api/movies/{proxy+}",
            "ANY /api/openapi.json",
            "$default",
        ]);
        for (request, route) in [
            ("GET /api/movies", "ANY /api/movies"),
            ("POST /api/movies/", "ANY /api/movies"),
            ("GET /api/movies//", "ANY /api/movies/{proxy+} proxy=/"),
            ("GET /api/movies/1", "ANY /api/movies/{proxy+} proxy=1"),
            (
                "PUT /api/movies/1/favorite/",
                "ANY /api/movies/{proxy+} proxy=1/favorite/",
            ),
            ("HEAD /api/openapi.json/", "ANY /api/openapi.json"),
            ("GET /api/openapi.json/x", "$default"),
            ("GET /api/moviesX", "$default"),
            ("GET /API/movies", "$default"),
            ("GET /api", "$default"),
            ("OPTIONS *", "$default"),
        ] {
            assert_eq!(resolved(&routes, request), route, "{request}");
        }
    }

    #[test]
    fn a_method_beats_any_and_a_literal_beats_a_variable() {
        let routes = routes(&[
            "ANY /a/{id}",
            "GET /a/{id}",
            "ANY /a/b",
            "GET /{x}/b",
            "GET /a/{proxy+}",
            "ANY /a/b/{proxy+}",
        ]);
        for (request, route) in [
            ("GET /a/1", "GET /a/{id} id=1"),
            ("PUT /a/1", "ANY /a/{id} id=1"),
            ("GET /a/b", "ANY /a/b"),
            ("GET /c/b", "GET /{x}/b x=c"),
            ("GET /a/b/c", "ANY /a/b/{proxy+} proxy=c"),
            ("GET /a/c/d", "GET /a/{proxy+} proxy=c/d"),
            ("PUT /a/c/d", "nothing"),
            ("GET /a//", "GET /a/{proxy+} proxy=/"),
            ("GET /a/", "nothing"),
        ] {
            assert_eq!(resolved(&routes, request), route, "{request}");
        }
    }

    #[test]
    fn nothing_matches_a_request_when_there_is_no_catch_all() {
        assert_eq!(resolved(&routes(&["GET /a"]), "POST /a"), "nothing");
        assert_eq!(resolved(&Routes::default(), "GET /"), "nothing");
        assert_eq!(resolved(&routes(&["GET /"]), "GET /"), "GET /");
    }
}
