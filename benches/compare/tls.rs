//! Encrypted connections: CPU per GET, bytes per idle connection, CPU per handshake.
//!
//! Every server shows the same certificate (ECDSA, made for the run) and agrees on what it and rustls prefer. A server that was
//! built without TLS is left out.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::Plan;
use crate::client::{fill, key, request};
use crate::costs::Costs;
use crate::machine;
use crate::report::Table;
use crate::server::{Instance, Peer};

const KEYS: u64 = 100_000;
const VALUE_BYTES: usize = 16;
/// Connections under load.
const CONNECTIONS: usize = 20;
const IDLE_CONNECTIONS: usize = 1_000;
const MANY_CONNECTIONS: usize = 10_000;
const HANDSHAKES: usize = 1_000;

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// What servers show and clients trust.
pub struct Pki {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key_pem: String,
}

/// A server, where it listens for TLS, and the folder with what it shows.
pub struct Started {
    pub instance: Instance,
    pub addr: SocketAddr,
    _folder: TempDir,
}

impl Pki {
    pub fn new() -> Pki {
        let key = KeyPair::generate().unwrap();
        let signed = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        Pki { certificate: signed.der().clone(), certificate_pem: signed.pem(), key_pem: key.serialize_pem() }
    }

    /// A client that takes up no earlier sessions.
    fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Arc::new(config)
    }

    /// A server that listens for TLS; `None` when it can't.
    pub fn start(&self, peer: &Peer) -> Option<Started> {
        let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        // Where it sees them, which may not see all of the machine.
        let root = peer.root();
        let folder = TempDir::new_in(root.join("tmp")).unwrap();
        std::fs::write(folder.path().join("crt"), &self.certificate_pem).unwrap();
        std::fs::write(folder.path().join("key"), &self.key_pem).unwrap();
        let seen = Path::new("/").join(folder.path().strip_prefix(root).unwrap());
        let path = |name: &str| seen.join(name).display().to_string();
        let (port, crt, key) = (addr.port().to_string(), path("crt"), path("key"));
        let options = ["--tls-port", &port, "--tls-cert-file", &crt, "--tls-key-file", &key];
        let options = [&options[..], &["--tls-auth-clients", "no"]].concat();
        machine::move_to(machine::SERVER_CPU);
        let started = std::panic::catch_unwind(|| peer.start_here(&options)).ok();
        machine::move_to(machine::CLIENT_CPU);
        started.map(|instance| Started { instance, addr, _folder: folder })
    }
}

fn connect(addr: SocketAddr, config: &Arc<ClientConfig>) -> Stream {
    let socket = TcpStream::connect(addr).unwrap();
    socket.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), socket);
    stream.write_all(b"PING\r\n").unwrap();
    skip_lines(&mut stream, 1);
    stream
}

fn skip_lines(stream: &mut Stream, mut lines: usize) {
    let mut buffer = [0; 64 << 10];
    while lines > 0 {
        let len = stream.read(&mut buffer).unwrap();
        assert!(len > 0 && buffer[0] != b'-', "{}", String::from_utf8_lossy(&buffer[..len]));
        lines -= memchr::memchr_iter(b'\n', &buffer[..len]).count();
    }
}

/// Prints both tables.
pub fn run(plan: &Plan) {
    let pki = Pki::new();
    let config = pki.client();
    let started: Vec<_> =
        plan.peers.iter().map(|peer| pki.start(peer).filter(|_| peer.can_start())).collect();
    started.iter().flatten().for_each(|server| fill(server.instance.addr, KEYS, VALUE_BYTES, &[]));
    let mut costs = Costs::new(plan, &["GET, pipeline"], "CPU s/M");
    for pipeline in [1, 16] {
        let mut sums = vec![(0.0, 0); started.len()];
        let forth = 0..started.len();
        for index in forth.clone().chain(forth.rev()) {
            let Some(Started { instance, addr, .. }) = &started[index] else { continue };
            let (cpu, requests) = load(plan, instance, *addr, &config, pipeline);
            sums[index] = (sums[index].0 + cpu, sums[index].1 + requests);
        }
        let each = |&(cpu, requests): &(f64, u64)| (requests > 0).then(|| cpu / requests as f64 * 1e6);
        let cells: Vec<Option<f64>> = sums.iter().map(each).collect();
        costs.row(&[&pipeline.to_string()], &cells, 1.2);
    }
    costs.print("TLS: 100,000 keys, values of 16 bytes, 20 connections");
    let mut table =
        Table::new(["server", "RSS/idle connection", "used_memory/idle connection", "CPU ms/handshake"]);
    for (peer, started) in plan.peers.iter().zip(&started) {
        let Some(Started { instance, addr, .. }) = started else { continue };
        let cpu = instance.cpu_seconds();
        (0..HANDSHAKES).for_each(|_| drop(connect(*addr, &config)));
        let handshake_ms = (instance.cpu_seconds() - cpu) / HANDSHAKES as f64 * 1e3;
        let [resident, used] = idle_bytes(instance, *addr, &config, IDLE_CONNECTIONS);
        table.row([peer.name.clone(), resident.to_string(), used.to_string(), format!("{handshake_ms:.3}")]);
    }
    table.print("TLS: 1,000 idle connections, 1,000 handshakes one after the other");
}

/// What each of ten thousand connections takes that only stay.
pub fn many(plan: &Plan) {
    machine::raise_descriptor_limit();
    let pki = Pki::new();
    let config = pki.client();
    let mut table = Table::new([
        "server",
        "RSS/idle connection",
        "used_memory/idle connection",
        "PING beside them",
        "bar",
    ]);
    for peer in plan.peers.iter().filter(|peer| peer.can_start()) {
        let Some(Started { instance, addr, _folder }) = pki.start(peer) else { continue };
        let mut own = instance.connect();
        own.ask(&format!("CONFIG SET maxclients {}", MANY_CONNECTIONS + 100));
        let [resident, used] = idle_bytes(&instance, addr, &config, MANY_CONNECTIONS);
        let cells = [peer.name.clone(), resident.to_string(), used.to_string(), own.ask("PING")];
        table.row(cells.into_iter().chain(["≤ 40,960 of RSS".into()]));
    }
    table.print("TLS: 10,000 idle connections");
}

/// Bytes of RSS and of used_memory for each of so many connections, while all are open.
fn idle_bytes(instance: &Instance, addr: SocketAddr, config: &Arc<ClientConfig>, count: usize) -> [u64; 2] {
    let bytes = || [instance.resident_bytes(), instance.used_bytes()];
    let before = bytes();
    let _open: Vec<Stream> = (0..count).map(|_| connect(addr, config)).collect();
    let after = bytes();
    [0, 1].map(|index| after[index].saturating_sub(before[index]) / count as u64)
}

/// CPU seconds of the server, and requests.
fn load(
    plan: &Plan,
    instance: &Instance,
    addr: SocketAddr,
    config: &Arc<ClientConfig>,
    pipeline: usize,
) -> (f64, u64) {
    let mut streams: Vec<Stream> = (0..CONNECTIONS).map(|_| connect(addr, config)).collect();
    let mut round = 0;
    let mut turn = |streams: &mut Vec<Stream>| {
        for stream in streams.iter_mut() {
            let keys =
                (0..pipeline as u64).map(|number| key("key", (round * 7919 + number * 104_729) % KEYS));
            let batch: Vec<u8> = keys.flat_map(|key| request(&["GET", &key])).collect();
            stream.write_all(&batch).unwrap();
            round += 1;
        }
        streams.iter_mut().for_each(|stream| skip_lines(stream, 2 * pipeline));
        (CONNECTIONS * pipeline) as u64
    };
    let warm = Instant::now();
    while warm.elapsed() < plan.round / 10 {
        turn(&mut streams);
    }
    let (began, cpu) = (Instant::now(), instance.cpu_seconds());
    let mut requests = 0;
    while began.elapsed() < plan.round {
        requests += turn(&mut streams);
    }
    (instance.cpu_seconds() - cpu, requests)
}
