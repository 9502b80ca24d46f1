import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import forge from "node-forge";

/** A certificate with its key, in the forms that the components and services want. */
export interface IssuedCertificate {
  /** PEM: the certificate alone, and its PKCS #8 key. */
  readonly certFile: string;
  readonly keyFile: string;
  /** Both in one PEM file, as Kafka's `ssl.keystore.type=PEM` wants them. */
  readonly pairFile: string;
  /** Both and the authority as PKCS #12, for Hive and Hadoop; readable with `storePassword`. */
  readonly storeFile: string;
  readonly storePassword: string;
}

/** An authority of one's own: certificates of it are good only where its `caFile` is trusted. */
export interface CertificateAuthority {
  /** PEM of the authority's certificate. */
  readonly caFile: string;
  /**
   * A certificate for a server or a client, by its name; made once, then the same. It is good for
   * localhost and 127.0.0.1 and for the further host names.
   */
  issue(
    name: string,
    options?: { readonly hosts?: readonly string[]; readonly days?: number },
  ): IssuedCertificate;
}

const DAYS = 825;
const RSA_BITS = 2048;

/** Opens the authority that is kept in `dir`, and makes it first when there is none. */
export function openCertificateAuthority(dir: string): CertificateAuthority {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const file = (name: string) => join(dir, name);
  const caFile = file("ca.pem");
  const passwordFile = file("store.password");
  if (!existsSync(caFile)) {
    const password = randomBytes(18).toString("base64url");
    const ca = makeCertificate({ name: "Hybridge local authority", days: DAYS, hosts: [] });
    write(passwordFile, password);
    write(file("ca.key"), ca.keyPem);
    // Last: with it the authority is complete.
    write(caFile, forge.pki.certificateToPem(ca.certificate), 0o644);
  }
  const storePassword = readFileSync(passwordFile, "utf8");
  return {
    caFile,
    issue(name, { hosts = [], days = DAYS } = {}) {
      const certFile = file(`${name}.pem`);
      const issued = {
        certFile,
        keyFile: file(`${name}.key`),
        pairFile: file(`${name}-pair.pem`),
        storeFile: file(`${name}.p12`),
        storePassword,
      };
      if (existsSync(certFile)) return issued;
      const authority = {
        certificate: forge.pki.certificateFromPem(readFileSync(caFile, "utf8")),
        key: forge.pki.privateKeyFromPem(readFileSync(file("ca.key"), "utf8")),
      };
      const made = makeCertificate({ name, days, hosts, authority });
      const certPem = forge.pki.certificateToPem(made.certificate);
      const store = forge.pkcs12.toPkcs12Asn1(
        made.key,
        [made.certificate, authority.certificate],
        storePassword,
        { algorithm: "aes256", friendlyName: name },
      );
      write(issued.keyFile, made.keyPem);
      write(issued.pairFile, `${made.keyPem}${certPem}`);
      write(issued.storeFile, Buffer.from(forge.asn1.toDer(store).getBytes(), "latin1"));
      write(certFile, certPem, 0o644);
      return issued;
    },
  };
}

interface Made {
  readonly certificate: forge.pki.Certificate;
  readonly key: forge.pki.rsa.PrivateKey;
  readonly keyPem: string;
}

interface Wanted {
  readonly name: string;
  readonly days: number;
  readonly hosts: readonly string[];
  /** Who signs; without one the certificate signs itself and is an authority. */
  readonly authority?: {
    readonly certificate: forge.pki.Certificate;
    readonly key: forge.pki.rsa.PrivateKey;
  };
}

function makeCertificate({ name, days, hosts, authority }: Wanted): Made {
  // Node makes the keys: the library needs seconds for one.
  const pair = generateKeyPairSync("rsa", { modulusLength: RSA_BITS });
  const key = forge.pki.privateKeyFromPem(
    pair.privateKey.export({ type: "pkcs1", format: "pem" }) as string,
  );
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.setRsaPublicKey(key.n, key.e);
  // A serial number is positive: its first bit is 0.
  certificate.serialNumber = `01${randomBytes(15).toString("hex")}`;
  certificate.validity.notBefore = new Date(Date.now() - 3_600_000);
  certificate.validity.notAfter = new Date(Date.now() + days * 86_400_000);
  const subject = [{ shortName: "CN", value: name }];
  certificate.setSubject(subject);
  certificate.setIssuer(authority?.certificate.subject.attributes ?? subject);
  certificate.setExtensions(authority === undefined ? authorityExtensions : endExtensions(hosts));
  certificate.sign(authority?.key ?? key, forge.md.sha256.create());
  const keyPem = pair.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  return { certificate, key, keyPem };
}

const authorityExtensions = [
  { name: "basicConstraints", cA: true, critical: true },
  { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
  { name: "subjectKeyIdentifier" },
];

/** Types of a GeneralName, RFC 5280 4.2.1.6. */
const DNS = 2;
const IP = 7;

function endExtensions(hosts: readonly string[]): object[] {
  const names = ["localhost", ...hosts].map((value) => ({ type: DNS, value }));
  return [
    { name: "basicConstraints", cA: false },
    { name: "keyUsage", digitalSignature: true, keyEncipherment: true, critical: true },
    { name: "extKeyUsage", serverAuth: true, clientAuth: true },
    { name: "subjectAltName", altNames: [...names, { type: IP, ip: "127.0.0.1" }] },
  ];
}

/** Written whole or not at all: another process may be opening the same authority. */
function write(file: string, content: string | Buffer, mode = 0o600): void {
  writeFileSync(`${file}.new`, content, { mode });
  renameSync(`${file}.new`, file);
}
