//! What is deployed: the template's routes, and the events by which API Gateway calls the functions.

mod events;
mod routes;
