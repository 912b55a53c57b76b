//! A TLS terminator in front of a plain endpoint on this machine, because functions reach a table on AWS over TLS.

use std::{error::Error, io::Write as _, net::Ipv4Addr, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::NamedTempFile;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// A TLS terminator. It runs until the runtime on which it was started ends.
pub struct Terminator {
    /// The URL.
    pub url: String,
    /// The `SSL_CERT_FILE` of a program that trusts the system's certificate authorities: Mozilla's authorities and the
    /// terminator's own. They are as many as on Lambda, so that reading them takes as long.
    pub system: NamedTempFile,
    /// The `SSL_CERT_FILE` of a program that trusts only Amazon's authorities: Amazon's root certificates and the
    /// terminator's own.
    pub amazon: NamedTempFile,
}

impl Terminator {
    /// Starts a terminator in front of `endpoint`, an address and a port.
    ///
    /// # Errors
    /// Returns an error if it can't listen, or if a certificate or a file can't be made.
    pub async fn to(endpoint: &str) -> Result<Self, Box<dyn Error>> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &issuer)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone(), issuer.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("https://localhost:{}", listener.local_addr()?.port());
        tokio::spawn(terminate(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            endpoint.to_owned(),
        ));
        let all = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        let all = all.map(|root| pem::encode(&pem::Pem::new("CERTIFICATE", root.as_ref())));
        let own = issuer.pem();
        Ok(Self {
            url,
            system: bundle(all.chain([own.clone()]))?,
            amazon: bundle([AMAZON_ROOTS.to_owned(), own])?,
        })
    }
}

/// The root certificates that a function trusts.
const AMAZON_ROOTS: &str = include_str!("../../shared/src/amazon-roots.pem");

fn bundle(certificates: impl IntoIterator<Item = String>) -> Result<NamedTempFile, Box<dyn Error>> {
    let mut file = NamedTempFile::new()?;
    for pem in certificates {
        file.write_all(pem.as_bytes())?;
    }
    file.flush()?;
    Ok(file)
}

async fn terminate(listener: TcpListener, acceptor: TlsAcceptor, endpoint: String) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, endpoint) = (acceptor.clone(), endpoint.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            // If a connection breaks, the function reports it.
            if let (Ok(mut near), Ok(mut far)) =
                (acceptor.accept(stream).await, TcpStream::connect(endpoint).await)
            {
                let _ = far.set_nodelay(true);
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}
