//! A real process, killed at some moment under load, again and again; clients remember what was acknowledged.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use super::eventually;
use super::wire::{Reply, Wire};

const ROUNDS: u64 = 6;
const CLIENTS: usize = 4;

fn spawn(folder: &std::path::Path, port: u16) -> Child {
    let port = port.to_string();
    Command::new(env!("CARGO_BIN_EXE_ochre"))
        .args(["--port", &port, "--bind", "127.0.0.1", "--dir", folder.to_str().unwrap(), "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-min-size", "20kb"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Transactions of two keys each until the server is gone; every acknowledged number goes up.
fn load(addr: SocketAddr, client: usize, acknowledged: &AtomicU64) {
    let Ok(mut wire) = Wire::try_connect(addr) else { return };
    loop {
        let number = (acknowledged.load(Ordering::SeqCst) + 1).to_string();
        let (one, other) = (format!("one:{client}"), format!("other:{client}"));
        for request in [&["MULTI"][..], &["SET", &one, &number], &["SET", &other, &number]] {
            if wire.try_call(request).is_none() {
                return;
            }
        }
        match wire.try_call(&["EXEC"]) {
            Some(Reply::Array(_)) => acknowledged.fetch_add(1, Ordering::SeqCst),
            _ => return,
        };
    }
}

#[test]
fn killed_under_load_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let acknowledged: Vec<AtomicU64> = (0..CLIENTS).map(|_| AtomicU64::new(0)).collect();
    for round in 0..ROUNDS {
        let mut child = spawn(folder.path(), port);
        eventually("the server is ready", || {
            TcpStream::connect(addr).is_ok()
                && Wire::try_connect(addr)
                    .is_ok_and(|mut wire| wire.try_call(&["PING"]) == Some(Reply::Status(b"PONG".to_vec())))
        });
        let mut wire = Wire::connect(addr);
        for (client, count) in acknowledged.iter().enumerate() {
            let value = |name: &str, wire: &mut Wire| match wire.call(&["GET", &format!("{name}:{client}")]) {
                Reply::Bulk(text) => String::from_utf8(text.to_vec()).unwrap().parse::<u64>().unwrap(),
                _ => 0,
            };
            let (one, other) = (value("one", &mut wire), value("other", &mut wire));
            let last = count.load(Ordering::SeqCst);
            assert_eq!(one, other, "round {round}: half a transaction");
            assert!((last..=last + 1).contains(&one), "round {round}: {one} found, {last} acknowledged");
            count.store(one, Ordering::SeqCst);
        }
        std::thread::scope(|scope| {
            for (client, count) in acknowledged.iter().enumerate() {
                scope.spawn(move || load(addr, client, count));
            }
            let floor = acknowledged[0].load(Ordering::SeqCst) + 40 + round * 17;
            eventually("the load runs", || acknowledged[0].load(Ordering::SeqCst) >= floor);
            child.kill().unwrap();
            child.wait().unwrap();
        });
    }
}
