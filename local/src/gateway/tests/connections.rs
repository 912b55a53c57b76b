//! Connections that are idle, slow, or too many.

use axum::routing::any;
use tokio::{sync::Notify, time::sleep};

use super::*;

#[tokio::test]
async fn a_shutdown_lets_requests_finish_and_drops_idle_connections() {
    let mut functions = functions();
    let begun = Arc::new(Notify::new());
    let begins = Arc::clone(&begun);
    let slow = move || async move {
        begins.notify_one();
        tokio::time::sleep(Duration::from_millis(300)).await;
        "finished"
    };
    functions.insert("movies".to_owned(), Router::new().fallback(slow));
    let (addr, stop, served) = serving(gateway_of(&template(), functions, &["*"])).await;
    let _unused = TcpStream::connect(addr).await.unwrap();
    let mut idle = TcpStream::connect(addr).await.unwrap();
    idle.write_all(b"GET /api/users HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert_ne!(idle.read(&mut [0; 1024]).await.unwrap(), 0);
    let busy = tokio::spawn(async move { raw(addr, "GET /api/movies HTTP/1.1\r\nhost: x\r\n\r\n").await });
    begun.notified().await;

    stop.send(()).unwrap();
    // Well before the limit for connections that don't end.
    timeout(Duration::from_secs(5), served).await.unwrap().unwrap();
    let answer = busy.await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("finished"),
        "{answer}"
    );
    assert!(TcpStream::connect(addr).await.is_err());
}

/// A gateway with these timeouts, in milliseconds.
fn with_timeouts(head: u64, idle: u64, answer: u64) -> Gateway {
    Gateway {
        timeouts: Timeouts {
            idle: Duration::from_millis(idle),
            head: Duration::from_millis(head),
            answer: Duration::from_millis(answer),
            room: Duration::ZERO,
        },
        ..gateway()
    }
}

#[tokio::test]
async fn a_head_must_be_whole_in_time_however_steadily_it_comes() {
    let (addr, _stop, _) = serving(with_timeouts(500, 60_000, 60_000)).await;
    for after_a_request in [false, true] {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        if after_a_request {
            // Neither the time of the first head nor the idle time counts.
            stream.write_all(GET).await.unwrap();
            assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
            sleep(Duration::from_millis(600)).await;
        }
        let begun = Instant::now();
        let mut received = vec![0; 4096];
        let read = loop {
            stream.write_all(b"G").await.unwrap();
            if let Ok(read) = timeout(Duration::from_millis(50), stream.read(&mut received)).await {
                break read.unwrap();
            }
            assert!(
                begun.elapsed() < Duration::from_secs(5),
                "the head is still accepted"
            );
        };
        Answer::first(&received[..read])
            .unwrap()
            .0
            .is_problem(408, "request_timeout", "a head");
        assert!(
            begun.elapsed() >= Duration::from_millis(450),
            "{:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_response() {
    let (addr, _stop, _) = serving(with_timeouts(60_000, 300, 60_000)).await;
    let mut unused = TcpStream::connect(addr).await.unwrap();
    let begun = Instant::now();
    assert_eq!(rest(&mut unused).await, b"");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// Functions whose response is larger than the socket's buffers, so that writing waits for the client.
fn functions_with_a_large_response() -> HashMap<String, Router> {
    let mut functions = functions();
    let text = "x".repeat(6_000_000);
    functions.insert(
        "movies".to_owned(),
        Router::new().fallback(move || async move { text }),
    );
    functions
}

#[tokio::test]
async fn a_client_that_reads_no_response_is_disconnected() {
    let gateway = Gateway {
        timeouts: with_timeouts(60_000, 60_000, 300).timeouts,
        ..gateway_of(&template(), functions_with_a_large_response(), &["*"])
    };
    let connections = Arc::clone(&gateway.connections);
    let (addr, _stop, _) = serving(gateway).await;
    let _stream = ask_and_not_read(addr).await;
    let begun = Instant::now();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(connections.open(), 1);
    while connections.open() > 0 {
        // This includes the time in which the server discards what the client still sends.
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "the connection is still open"
        );
        sleep(Duration::from_millis(10)).await;
    }
}

/// A gateway with this many slots for connections.
fn with_slots(limit: usize) -> Gateway {
    Gateway {
        connections: Connections::new(limit),
        ..gateway()
    }
}

/// Requests a large response and reads nothing of it.
async fn ask_and_not_read(addr: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let mut stream = socket.connect(addr).await.unwrap();
    let get = b"GET /api/movies HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(get).await.unwrap();
    stream
}

async fn send(addr: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

#[tokio::test]
async fn idle_connections_and_half_heads_make_room_for_new_ones_in_the_order_they_came() {
    for bytes in [&b""[..], b"GET / HTTP/1.1\r\nhost:"] {
        let (addr, _stop, _) = serving(with_slots(8)).await;
        let mut held = Vec::new();
        for _ in 0..100 {
            held.push(send(addr, bytes).await);
        }
        for _ in 0..20 {
            assert!(is_served(addr).await < Duration::from_secs(2));
        }
        // The oldest connection was closed, with a response if it had sent part of a head.
        let received = rest(&mut held[0]).await;
        match bytes {
            b"" => assert_eq!(received, b""),
            _ => Answer::first(&received)
                .unwrap()
                .0
                .is_problem(408, "request_timeout", "half a head"),
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_in_use_outlives_the_idle_ones() {
    let (addr, _stop, _) = serving(with_slots(8)).await;
    let mut used = send(addr, b"").await;
    let mut held = Vec::new();
    for round in 0..30 {
        held.push(send(addr, b"").await);
        used.write_all(GET).await.unwrap();
        let mut answer = [0; 4096];
        let length = used.read(&mut answer).await.unwrap();
        assert!(answer[..length].ends_with(b"users"), "round {round}");
    }
}

#[tokio::test]
async fn half_bodies_make_room_for_new_connections_once_they_stall() {
    let (addr, _stop, _) = serving(with_slots(8)).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(
            send(
                addr,
                b"POST /api/movies HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf",
            )
            .await,
        );
    }
    sleep(Duration::from_millis(1_200)).await;
    for _ in 0..7 {
        assert!(is_served(addr).await < Duration::from_secs(2));
    }
    let received = rest(&mut held[0]).await;
    Answer::first(&received)
        .unwrap()
        .0
        .is_problem(408, "request_timeout", "half a body");
}

#[tokio::test]
async fn responses_that_nobody_reads_make_room_for_new_connections() {
    let gateway = Gateway {
        connections: Connections::new(4),
        ..gateway_of(&template(), functions_with_a_large_response(), &["*"])
    };
    let (addr, _stop, _) = serving(gateway).await;
    let begun = Instant::now();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(ask_and_not_read(addr).await);
    }
    // A connection is closed for another after one second, and not before.
    is_served(addr).await;
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    sleep(Duration::from_millis(500)).await;
    for _ in 0..4 {
        assert!(is_served(addr).await < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn no_request_that_is_processed_makes_room_and_new_connections_are_told_to_come_back() {
    let finish = Arc::new(Notify::new());
    let waiting = Arc::clone(&finish);
    let mut functions = functions();
    let slow = Router::new().route(
        "/api/movies",
        any(move || async move {
            waiting.notified().await;
            "finished"
        }),
    );
    functions.insert("movies".to_owned(), slow);
    let gateway = Gateway {
        connections: Connections::new(2),
        ..gateway_of(&template(), functions, &["*"])
    };
    let (addr, _stop, _) = serving(gateway).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(
            send(
                addr,
                b"GET /api/movies HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            )
            .await,
        );
    }
    sleep(Duration::from_millis(1_200)).await;
    for _ in 0..3 {
        answer(addr, GET).await.is_problem(503, "unavailable", "no room");
    }
    // A client without a request gets no response.
    assert_eq!(rest(&mut send(addr, b"").await).await, b"");
    for mut stream in held {
        finish.notify_one();
        let received = rest(&mut stream).await;
        assert_eq!(Answer::first(&received).unwrap().0.body, "finished");
    }
    assert!(is_served(addr).await < Duration::from_secs(2));
}
