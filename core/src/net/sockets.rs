//! Where we listen and from where we dial: a socket for each address of ours, each of which begins
//! conversations within its own network only.
//!
//! A peer may name addresses for the QUIC library to probe, and multicast may announce any. What is
//! on none of our networks gets nothing from here. One more endpoint may use the routers; it dials
//! addresses that a person named, and is not there before the first of them.
//!
//! Addresses that come later (DHCP, a cable, a radio) get an endpoint of their own at the same
//! port, so no session is disturbed. Answers go back the way the question came, so a peer behind a
//! router may dial us at any time.
//!
//! Begin with [`Sockets::bind`] and [`Sockets::routes`].

use crate::error::{Error, ErrorKind, Result};
use crate::net::TransportOptions;
use crate::net::endpoint::{self, Reach};
use crate::net::networks::{self, Network};
use iroh::Endpoint;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// How often the interfaces are looked at. Not awaited: each system tells of a new address in its
/// own way or not at all. Who roams is to be back within 2 s.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long all addresses of an endpoint may be gone before it is closed: they may come back.
const GONE_MAX: Duration = Duration::from_secs(60);
/// Most endpoints at a time; addresses beyond that wait until one is closed.
const ENDPOINTS_MAX: usize = 16;
/// How often a free port is looked for that all addresses have.
const PORT_ATTEMPTS: usize = 16;

/// Every endpoint of a transport.
pub(crate) struct Sockets {
    options: TransportOptions,
    /// What `options.bind` says, with the ports that were found.
    bound: Vec<SocketAddr>,
    state: Mutex<State>,
    /// One look at the interfaces at a time.
    looking: tokio::sync::Mutex<()>,
    beyond: OnceCell<Endpoint>,
}

#[derive(Default)]
struct State {
    /// The newest last.
    endpoints: Vec<Confined>,
    /// Our addresses when they were last looked at.
    own: BTreeSet<Network>,
}

/// An endpoint that dials and probes within its networks only.
#[derive(Clone)]
struct Confined {
    endpoint: Endpoint,
    networks: BTreeSet<Network>,
    gone_since: Option<Instant>,
}

impl Sockets {
    /// Listens at every address that `options.bind` names.
    ///
    /// # Errors
    /// `invalid_argument`: an address of IPv4, or one that was named, cannot be bound. `internal`:
    /// the system does not tell its addresses.
    pub(crate) async fn bind(options: TransportOptions) -> Result<Sockets> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let own = networks::own().map_err(|error| {
                let message = format!("the addresses of this machine cannot be listed: {error}");
                Error::new(ErrorKind::Internal, message)
            })?;
            let mut bound = with_ports(&options.bind);
            let addresses = addresses_of(&bound, &own, &BTreeSet::new());
            match Confined::bind(&options, addresses).await {
                Ok(first) => {
                    first.iter().for_each(|first| first.tell_ports(&mut bound));
                    let endpoints = first.into_iter().collect();
                    let state = Mutex::new(State { endpoints, own });
                    let looking = tokio::sync::Mutex::default();
                    let beyond = OnceCell::new();
                    return Ok(Sockets { options, bound, state, looking, beyond });
                }
                // Somebody has the port at one of the addresses; another may be free at all.
                Err(_) if bound != options.bind && attempt < PORT_ATTEMPTS => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Looks at the interfaces; gives the endpoint that listens at addresses that are new.
    pub(crate) async fn look(&self) -> Option<Endpoint> {
        let _one = self.looking.lock().await;
        // A system that cannot say just now is asked again soon.
        let own = networks::own().ok()?;
        for gone in self.forget_gone(&own) {
            tokio::spawn(async move { gone.close().await });
        }
        let taken = self.lock().taken();
        let mut new = addresses_of(&self.bound, &own, &taken);
        new.retain(|_, at| UdpSocket::bind(*at).is_ok());
        if self.lock().endpoints.len() >= ENDPOINTS_MAX {
            return None;
        }
        match Confined::bind(&self.options, new).await {
            Ok(confined) => {
                let confined = confined?;
                tracing::info!(networks = ?confined.networks, "the node listens at new addresses");
                let endpoint = confined.endpoint.clone();
                self.lock().endpoints.push(confined);
                Some(endpoint)
            }
            Err(error) => {
                tracing::debug!(%error, "new addresses cannot be bound yet");
                None
            }
        }
    }

    /// Remembers `own`, and takes out the endpoints that it leaves without an address.
    fn forget_gone(&self, own: &BTreeSet<Network>) -> Vec<Endpoint> {
        let now = Instant::now();
        let mut state = self.lock();
        state.own.clone_from(own);
        let mut gone = Vec::new();
        state.endpoints.retain_mut(|confined| {
            let is_there = confined.networks.iter().any(|network| network.is_there(own));
            confined.gone_since = (!is_there).then_some(confined.gone_since.unwrap_or(now));
            let resized = |network: &Network| {
                own.iter().any(|now| now.address == network.address && now.prefix != network.prefix)
            };
            let is_over = confined.gone_since.is_some_and(|since| now >= since + GONE_MAX)
                || confined.networks.iter().any(resized);
            if is_over {
                gone.push(confined.endpoint.clone());
            }
            !is_over
        });
        gone
    }

    /// From where to dial which address: those on a network of ours from there, those beyond by way
    /// of the routers if a person `named` them. The others are left out.
    pub(crate) async fn routes(
        &self,
        named: &[SocketAddr],
        discovered: &[SocketAddr],
    ) -> Result<Vec<(Endpoint, Vec<SocketAddr>)>> {
        let mut near: BTreeMap<usize, Vec<SocketAddr>> = BTreeMap::new();
        let mut far = Vec::new();
        let endpoints = {
            let state = self.lock();
            for address in named.iter().chain(discovered) {
                match state.near(&address.ip()) {
                    Some(index) => near.entry(index).or_default().push(*address),
                    None if named.contains(address) => far.push(*address),
                    None => {}
                }
            }
            state.endpoints.clone()
        };
        let from = |(index, addresses): (usize, _)| (endpoints[index].endpoint.clone(), addresses);
        let mut routes: Vec<(Endpoint, Vec<SocketAddr>)> = near.into_iter().map(from).collect();
        let is_local = self.bound.iter().all(|at| at.ip().is_loopback());
        if !far.is_empty() && !is_local {
            let bind = || endpoint::bind(&self.options, &Reach::Anywhere);
            routes.push((self.beyond.get_or_try_init(bind).await?.clone(), far));
        }
        Ok(routes)
    }

    /// True when no interface had `address` at the last look.
    pub(crate) fn is_gone(&self, address: &IpAddr) -> bool {
        let state = self.lock();
        !address.is_loopback() && state.own.iter().all(|own| own.address != *address)
    }

    /// Every endpoint there is.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        let state = self.lock();
        let confined = state.endpoints.iter().map(|confined| confined.endpoint.clone());
        confined.chain(self.beyond.get().cloned()).collect()
    }

    /// What the options asked for, with the ports that were found.
    pub(crate) fn bound(&self) -> &[SocketAddr] {
        &self.bound
    }

    /// Where we listen: loopback counts where it was asked for or there is nothing else.
    pub(crate) fn listening(&self) -> Vec<SocketAddr> {
        let state = self.lock();
        let sockets = state.endpoints.iter().flat_map(|confined| confined.endpoint.bound_sockets());
        let is_there = |at: &SocketAddr| {
            at.ip().is_loopback() || state.own.iter().any(|own| own.address == at.ip())
        };
        let all: BTreeSet<SocketAddr> = sockets.filter(is_there).collect();
        let named = |at: &SocketAddr| self.bound.contains(at);
        let outward = |at: &&SocketAddr| !at.ip().is_loopback() || named(at);
        let told: Vec<SocketAddr> = all.iter().filter(outward).copied().collect();
        if told.is_empty() { all.into_iter().collect() } else { told }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Confined {
    /// Listens at `addresses`; at none of them there is nothing to be.
    async fn bind(
        options: &TransportOptions,
        addresses: BTreeMap<Network, SocketAddr>,
    ) -> Result<Option<Confined>> {
        if addresses.is_empty() {
            return Ok(None);
        }
        let mut networks: BTreeSet<Network> = addresses.keys().copied().collect();
        let endpoint = endpoint::bind(options, &Reach::Networks(addresses)).await?;
        // What could not be bound is tried again at the next look.
        let sockets = endpoint.bound_sockets();
        networks.retain(|network| sockets.iter().any(|at| at.ip() == network.address));
        Ok(Some(Confined { endpoint, networks, gone_since: None }))
    }

    /// Puts the ports that the system chose for addresses that were named into `bound`.
    fn tell_ports(&self, bound: &mut [SocketAddr]) {
        for socket in self.endpoint.bound_sockets() {
            for at in bound.iter_mut().filter(|at| at.ip() == socket.ip()) {
                *at = socket;
            }
        }
    }
}

impl State {
    /// The endpoint that has `address` on one of its networks, the newest first. Addresses that
    /// are gone do not count: nothing leaves by them.
    fn near(&self, address: &IpAddr) -> Option<usize> {
        let reaches = |network: &Network| network.is_there(&self.own) && network.contains(address);
        self.endpoints.iter().rposition(|confined| confined.networks.iter().any(reaches))
    }

    fn taken(&self) -> BTreeSet<IpAddr> {
        let networks = self.endpoints.iter().flat_map(|confined| &confined.networks);
        networks.map(|network| network.address).collect()
    }
}

/// `wanted`, with free ports for unspecified addresses that ask for one: all addresses of a family
/// have the same. A family that this machine does not have is left out.
fn with_ports(wanted: &[SocketAddr]) -> Vec<SocketAddr> {
    let port = |at: &SocketAddr| {
        let any = at.ip().is_unspecified();
        if !any || (at.is_ipv4() && at.port() != 0) {
            return Some(*at);
        }
        // The socket is closed at once; whoever takes the port in between makes us look again.
        UdpSocket::bind(at).and_then(|socket| socket.local_addr()).ok()
    };
    wanted.iter().filter_map(port).collect()
}

/// The addresses that `bound` names and that are not `taken`, with their ports.
fn addresses_of(
    bound: &[SocketAddr],
    own: &BTreeSet<Network>,
    taken: &BTreeSet<IpAddr>,
) -> BTreeMap<Network, SocketAddr> {
    let mut addresses = BTreeMap::new();
    for wanted in bound {
        let free = |network: &Network| !taken.contains(&network.address);
        for network in networks::named_by(wanted, own).into_iter().filter(free) {
            addresses.insert(network, SocketAddr::new(network.address, wanted.port()));
        }
    }
    addresses
}
