"""What Ticketmaster lists: concerts, things that are sold beside them, and concerts that do not take place."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.sync.clients.ticketmaster import Event
from server.sync.listings import group_listings, is_concert, status_code

LINK = {"musicbrainz": [{"id": "9c9f1380-2516-4fc9-a3e6-f9f61941d090"}]}


def event(name: str, *acts: str, venue: str = "Olympiahalle", time: str = "20:00:00", **more: Any) -> Event:
    """A listing; the acts are linked to MusicBrainz."""
    dates = {"start": {"localDate": "2027-03-12", "localTime": time}, "timezone": "Europe/Berlin"}
    return msgspec.convert(
        {
            "id": f"{name} {venue} {time}",
            "name": name,
            "dates": dates | more,
            "_embedded": {
                "venues": [{"id": "v", "name": venue, "city": {"name": "Munich"}}],
                "attractions": [{"id": act, "name": act, "externalLinks": LINK} for act in acts],
            },
        },
        Event,
    )


@pytest.mark.parametrize(
    ("artist", "title"),
    [
        ("Camping in Alaska", "Camping in Alaska"),
        ("Camping in Alaska", "Camping in Alaska: Welcome Home Son Tour"),
        ("Camping in Alaska", "An Evening With Camping In Alaska"),
        ("Upgrade", "Upgrade"),
        ("Upgrade", "Upgrade – Live 2027"),
        ("The Nutcracker Suite", "The Nutcracker Suite"),
        ("The Nutcracker Suite", "Nutcracker Suite at the Opera"),
        ("Munich Philharmonic", "Munich Philharmonic plays The Nutcracker Suite"),
        ("Parking Lot Party", "Parking Lot Party & Friends"),
        ("The Lounge Lizards", "The Lounge Lizards"),
        ("Shuttle358", "Shuttle358"),
        ("Park", "Park"),
        ("Muse", "Muse"),
        ("Muse", "Muse: Will of the People World Tour"),
        ("Tokio Hotel", "Tokio Hotel"),
        ("Eagles", "Eagles – Hotel California"),
        ("New Kids on the Block", "New Kids on the Block: The Package Tour"),
        ("Muse", "Muse at Camping World Stadium"),
        ("!!!", "!!!"),
        ("Beyoncé", "BEYONCÉ – Upgrade Tour"),
    ],
)
def test_a_word_in_the_name_of_the_act_says_nothing(artist: str, title: str) -> None:
    """Bands, halls and tours may be called after a thing that is sold beside concerts."""
    venue = "Camping World Stadium" if "Camping World" in title else "Olympiahalle"
    assert is_concert(event(title, artist, venue=venue), artist)


@pytest.mark.parametrize(
    "beside",
    [
        "Parking", "PARKING PASS", "Car Park", "Park & Ride", "Parkplatz", "Parkhaus", "Parkticket", "Parkschein", "Parken",
        "Stationnement", "Place de stationnement", "Estacionamiento", "Aparcamiento", "Parcheggio", "Parkeerticket", "Parkeren",
        "Estacionamento", "Parkering", "Parkeringsbiljett", "Pysäköinti", "Parkování", "Parkoviště",
        "VIP Package", "VIP Upgrade", "VIP-Paket", "Forfait VIP", "Paquete VIP", "Pacchetto VIP", "VIP-pakket", "Pacote VIP", "VIP-paket",
        "Upgrade", "Ticket Upgrade", "Hotel Package", "Hotelpaket", "Hotel + Ticket", "Forfait hôtel", "Paquete de hotel",
        "Pacchetto Hotel", "Hotelarrangement", "Ticket & Hotel", "Hotellpaket", "VIP", "VIP Experience", "Experiencia VIP",
        "Camping", "Camping Pass", "Campingticket", "Glamping", "Zeltplatz", "Acampada", "Campeggio", "Acampamento", "RV Pass",
        "Lounge Access", "Lounge-Zugang", "Accès lounge", "Acceso al Lounge", "Accesso Lounge", "Toegang Lounge", "Lounge", "Suite",
        "Suites", "Premium Seating", "Club Access", "Hospitality", "Skybox", "Business Seats",
        "Shuttle", "Shuttle Bus", "Busshuttle", "Shuttlebus", "Navette", "Lanzadera", "Navetta", "Pendelbus", "Busreise", "Bus Transfer",
        "Meet & Greet", "Meet and Greet", "Meet&Greet", "Meet n Greet", "Rencontre avec", "Soundcheck Experience", "Early Entry", "Fast Lane",
        "Megaticket", "Country Megaticket", "2-Day Ticket", "3 Day Pass", "2-Tages-Ticket", "Pass 3 jours", "Abono 2 días", "Abbonamento",
        "Season Pass", "Lawn Pass", "Kombiticket", "Gutschein", "Gift Card", "Add-On", "Tischreservierung",
    ],
)  # fmt: skip
def test_what_is_sold_beside_a_concert_is_none(beside: str) -> None:
    """Before the act, after it, in brackets, in several languages; also when the act is called like it."""
    for title in (
        f"{beside} – Muse",
        f"Muse - {beside}",
        f"{beside.upper()}: Muse",
        f"Muse ({beside})",
        f"Muse | {beside}",
    ):
        assert not is_concert(event(title, "Muse"), "Muse"), title
    assert not is_concert(event(f"Camping in Alaska - {beside}", "Camping in Alaska"), "Camping in Alaska")


@pytest.mark.parametrize(
    ("artist", "title"),
    [
        ("Upgrade", "VIP Upgrade: Upgrade"),
        ("Camping in Alaska", "Camping Pass – Camping in Alaska"),
        ("Muse", "Parking: Muse at Camping World Stadium"),
    ],
)
def test_an_act_called_like_it_has_them_too(artist: str, title: str) -> None:
    """The name of the act does not hide what stands beside it."""
    assert not is_concert(event(title, artist), artist)


def test_a_package_is_no_act() -> None:
    """A package that Ticketmaster lists as an act, without a link to another service, excuses no word."""
    listing = event("Country Megaticket", "Muse")
    package = msgspec.structs.replace(
        listing.embedded.attractions[0],
        name="Country Megaticket",
        external_links=type(listing.embedded.attractions[0].external_links)(),
    )
    listing = msgspec.structs.replace(
        listing, embedded=msgspec.structs.replace(listing.embedded, attractions=[package])
    )
    assert not is_concert(listing, "Muse")


@given(st.text(max_size=40), st.text(max_size=12))
def test_any_title_is_judged(title: str, artist: str) -> None:
    """No title is too odd, and an act's bare name is always a concert."""
    assert is_concert(event(title), artist) in (True, False)
    assert status_code(event(title), artist) in ("", "cancelled", "postponed", "rescheduled")
    if artist.strip():
        assert status_code(event(artist), artist) in ("", "rescheduled", "cancelled", "postponed")


@pytest.mark.parametrize(
    "word",
    ["CANCELLED", "Canceled", "ABGESAGT", "Annulé", "ANNULÉE", "Cancelado", "CANCELADA", "Annullato", "Geannuleerd", "Afgelast",
     "Inställt", "INSTÄLLD", "Aflyst", "Avlyst", "Peruttu", "Odwołany", "Zrušeno", "Suspendido"],
)  # fmt: skip
def test_a_title_says_that_a_concert_is_cancelled(word: str) -> None:
    """In several languages; the name of a band, a tour or a denial does not."""
    for title in (f"{word}: Muse", f"Muse ({word})", f"Muse - {word}", f"{word} Muse"):
        assert status_code(event(title, "Muse"), "Muse") == "cancelled", title
        assert is_concert(event(title, "Muse"), "Muse")
    assert status_code(event(word, word), word) == ""


@pytest.mark.parametrize(
    "word",
    ["POSTPONED", "VERSCHOBEN", "Verlegt", "Reporté", "REPORTÉE", "Aplazado", "POSPUESTO", "Rinviato", "Posticipato", "Uitgesteld",
     "Verplaatst", "Adiado", "Framflyttad", "Uppskjutet", "Udsat", "Utsatt", "Siirretty", "Przełożony", "Odloženo"],
)  # fmt: skip
def test_a_title_says_that_a_concert_is_postponed(word: str) -> None:
    """In several languages; with a new date in the title or in the listing it takes place on that day."""
    for title in (f"{word}: Muse", f"Muse ({word})", f"Muse - {word} 2028"):
        assert status_code(event(title, "Muse"), "Muse") == "postponed", title
    assert status_code(event(f"{word} 12.03.2027: Muse", "Muse"), "Muse") == ""
    moved = event(f"{word}: Muse", "Muse", initialStartDate={"localDate": "2026-12-12"})
    assert status_code(moved, "Muse") == ""
    assert status_code(event(f"{word}: Muse", "Muse", status={"code": "rescheduled"}), "Muse") == "rescheduled"


@pytest.mark.parametrize(
    "words",
    ["NEW DATE", "Neuer Termin", "Nachholtermin", "Ersatztermin", "Nouvelle date", "Nueva fecha", "Reprogramado", "Nuova data",
     "Nieuwe datum", "Nova data", "Nytt datum", "Ny dato", "Uusi päivä", "Nowy termin", "Nový termín", "Rescheduled"],
)  # fmt: skip
def test_a_new_date_takes_place(words: str) -> None:
    """Whatever else the title says."""
    for title in (f"{words}: Muse", f"Muse (POSTPONED – {words})", f"Muse - verschoben, {words}"):
        assert status_code(event(title, "Muse"), "Muse") == "rescheduled", title


def test_a_move_to_another_hall_is_no_new_day() -> None:
    """`Verlegt in die …` names a hall."""
    assert status_code(event("Muse – verlegt ins Zenith", "Muse"), "Muse") == ""
    assert status_code(event("Muse - NEW DATE ADDED", "Muse"), "Muse") == ""
    assert status_code(event("Muse: The Cancelled Tour", "Muse"), "Muse") == ""


def test_early_and_late_shows_stay_two() -> None:
    """Two starts a few hours apart are two shows; a listing without a time joins one of them."""
    listings = [event("Muse", "Muse", time=time) for time in ("15:00:00", "20:30:00", "20:00:00")]
    listings.append(msgspec.structs.replace(event("Muse", "Muse", time=""), id="any"))
    assert sorted(len(group) for group in group_listings(listings)) == [2, 2]
