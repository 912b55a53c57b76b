//! Notices of requests. On AWS a stream or a schedule begins what a request leaves to be done; here a notice of the request does.

use std::{collections::HashMap, sync::Arc};

use axum::{Router, extract::Request, middleware::Next};
use tokio::sync::Notify;

/// Makes the requests of a function for which `leaves_work` holds wake whoever waits for the returned signal, each when it has been
/// answered.
pub(crate) fn noticing(
    routers: &mut HashMap<String, Router>,
    function: &str,
    leaves_work: fn(&Request) -> bool,
) -> Arc<Notify> {
    let signal = Arc::new(Notify::new());
    if let Some(router) = routers.remove(function) {
        let noticed = Arc::clone(&signal);
        let notice = axum::middleware::from_fn(move |request: Request, next: Next| {
            let signal = Arc::clone(&noticed);
            async move {
                let leaves_work = leaves_work(&request);
                let response = next.run(request).await;
                // Whatever the answer is: a change may have been made although the answer is an error.
                if leaves_work {
                    signal.notify_one();
                }
                response
            }
        });
        routers.insert(function.to_owned(), router.layer(notice));
    }
    signal
}
