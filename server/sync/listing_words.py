"""Words in the titles of listings, in the languages of the countries where Ticketmaster sells. Plain form: see listings.py.

A word is here when it names something that is sold beside a concert, or says that a concert does not take place.
"""

from __future__ import annotations

import re

# What is sold beside a concert, wherever it stands in a title.
_BESIDE = (
    # parking
    r"(?:car ?)?parking\w*", r"car ?parks?", r"park (?:and|n|plus) ride", r"park(?:platz|plaetze|platze|haus|ticket|schein|karte)\w*",
    r"stationnements?", r"(?:estacion|aparc)ami?en?[nt]\w*", r"estacionamento\w*", r"parque(?:adero|o)s?", r"parchegg\w+",
    r"parkeer\w*", r"parkeren", r"parkering\w*", r"pysakointi\w*", r"park(?:ovan|ovaci|ovist|olas|olo)\w*", r"otopark\w*",
    r"parcare", r"парков\w+", r"駐車\w*", r"停车\w*", r"주차\w*",
    # packages
    r"packages?(?! tour)", r"pa(?:ket|kket)\w*", r"[a-z]+pa(?:ket|kket)\w*", r"paquetes?", r"pacotes?", r"pacchett\w+", r"forfaits?",
    r"hotell?(?:paket|pakket|package|arrangement)\w*", r"(?:tickets?|concert|konzert|show|entrada|biglietto|billet) (?:and|plus|und|et|y|e|en|och|og|mit|con|avec|met|med|incl|inkl) hotell?",
    r"hotell? (?:and|plus|und|et|y|e|en|och|og|mit|con|avec|met|med|incl|inkl)? ?(?:tickets?|concert|konzert|show|entrada|biglietto|billet|deal|arrangement|booking|stay|night)\w*",
    r"ubernachtung\w*", r"bundles?(?! of)", r"hospitality",
    # upgrades and very important persons
    r"upgrades?(?! tour)", r"aufwertung\w*", r"surclassements?", r"mejora de (?:entrada|asiento)s?", r"add ?ons?", r"zusatzticket\w*",
    r"vip (?:experience|experiencia|esperienza|erlebnis|ticket|pass|pack|lounge|suite|box|seat|club|access|acces|acceso|accesso|acesso|zugang|entry|entrance|table|tisch|bereich|area|early|meet|soundcheck|hospitality|billet|biljett|karte|entrada|platz|pladser|plats)\w*",
    r"(?:experience|experiencia|experiencias|esperienza|pass|passe|ticket|tickets|billet|billets|entrada|entradas|biljett|biglietto|pack|carre|lounge) vip",
    # camping
    r"glamping\w*", r"camping\w*", r"camp(?:site|ground|er ?van)s?", r"zelt(?:platz|en)\w*", r"wohnmobil\w*", r"stellplatz\w*", r"acampada", r"acampamento",
    r"campegg\w+", r"leirinta\w*", r"kemping\w*", r"kempov\w*", r"tent (?:pitch|site|pass)\w*", r"(?:rv|caravan|camper) (?:pass|site|spot|pitch|ticket|permit)\w*", r"кемпинг\w*",
    # transport
    r"(?<!space )shuttle ?\w*", r"\w*shuttle\w*(?! tour)", r"pendel(?:bus|buss)\w*", r"navett[ea]s?", r"lanzaderas?",
    r"bus(?:ticket|reise|fahrt|resa|biljett)\w*", r"bussresa\w*", r"(?:bus|coach|train|bahn|zug|ferry) (?:ticket|transfer|transport|travel|trip|pass|return|journey)\w*",
    r"return (?:bus|coach)", r"(?:autobus|transporte?|transfer) (?:ida|aller|retour|a|au|para|per|nach|zum|zur|naar|to)\b", r"party ?bus", r"traslados?", r"transfert?s? (?:aller|bus)",
    # lounges and suites
    r"lounge ?(?:access|pass|ticket|zugang|zutritt|entry|toegang|seat|membership|tilltrade)\w*",
    r"(?:access|acces|acceso|accesso|acesso|zugang|zutritt|toegang|tilltrade|adgang|adgangsbillet)(?: (?:to|the|zur|zum|in|die|au|a|la|el|al|alla|ao|tot|de|till|til))* (?:\w+ )?lounge\w*",
    r"(?:club|suite|box|balcony) (?:access|pass)\w*", r"(?:premium|club|suite|luxury|private|party|executive|corporate) (?:seating|seats?|suites?|box|boxes|lounges?)",
    r"suites? (?:pass|ticket|rental|access|hospitality)\w*", r"sky ?box\w*", r"business ?(?:seat|lounge|club)s?", r"logenplatz\w*", r"logenplatze", r"loges? (?:vip|privees?|premium)",
    # meeting the artist, entering early
    r"meet ?(?:and|n|y|et|und|e|en|og|och|i) ?greet\w*", r"m and g", r"meet the (?:band|artists?)", r"photo ?ops?", r"rencontre avec", r"conoce a",
    r"sound ?check (?:experience|party|access|acces|pass|package|upgrade|vip|entry|ticket)\w*", r"(?:early|priority|fast|quick|express) (?:entry|access|lane|track|pass|admission|entrance|einlass)\w*",
    r"fast ?(?:lane|track|pass)", r"coupe files?", r"skip the line", r"backstage (?:pass|tour|experience|access|fuhrung)\w*",
    # several days, several concerts
    r"mega ?tickets?", r"[2-9] ?(?:day|days|tages?|jours?|dias?|giorni|daagse?|dagen|dagars?|dages?|paivan) ?(?:tickets?|pass\w*|karten?|abo|abono|kaart\w*|biljett\w*|billet\w*|lippu|admission|wristband)",
    r"(?:ticket|pass|passe|abono|abonnement|abbonamento|bono) (?:\w+ )?[2-9] (?:days?|jours?|dias?|giorni|dagen|tage|dagar|dage)",
    r"(?:season|festival|lawn|weekend|week end|combi|kombi|multi ?day|all access|full event) ?(?:pass|passes|ticket|tickets|abo|karte|card|kaart)",
    r"wochenendticket\w*", r"dauerkarten?", r"saisonkarten?", r"abonnements?", r"abbonament[oi]", r"abonos?", r"membership",
    # other things
    r"gift ?cards?", r"(?:geschenk)?gutschein\w*", r"(?:bon|carte|cheque) cadeau", r"tarjeta regalo", r"buono regalo", r"cadeaubon\w*", r"presentkort", r"gavekort",
    r"lockers?", r"schliessfach\w*", r"consigne", r"ticketversicherung", r"ticket insurance", r"(?:dinner|meal|food|drinks?) (?:voucher|ticket|add)\w*",
    r"tischreservierung\w*", r"table reservations?", r"merch(?:andise)? (?:voucher|item|pack)\w*",
)  # fmt: skip
# Words around these that belong to the same thing: `Ticket Upgrade`, `Camping Pass`.
_BEFORE = r"(?:(?:vip|ticket|premium|hotel|seat|preferred|general|lawn|rv|car|tent|weekend|official|extra) )*"
_AFTER = (
    r"(?: (?:vip|pass|passes|ticket|tickets|package|packages|access|upgrade|upgrades|permit|add on|only|zugang|karte))*"
)
BESIDE = re.compile(rf"\b{_BEFORE}(?:{'|'.join(_BESIDE)})\b{_AFTER}")

# Words that name something beside a concert only when a part of the title has nothing else: `Suite – Muse`.
BESIDE_ALONE = frozenset(
    [
        "suite",
        "suites",
        "lounge",
        "lounges",
        "vip",
        "vips",
        "hotel",
        "hotels",
        "hotell",
        "transfer",
        "transfers",
        "bus",
        "buses",
        "coach",
        "parken",
        "loge",
        "loges",
        "logen",
        "box",
        "boxes",
        "caravan",
        "hospitality",
        "premium",
        "platinum",
        "palco",
        "palchi",
    ]
)
ALONE_WITH = frozenset(
    [
        "the",
        "a",
        "an",
        "to",
        "for",
        "and",
        "und",
        "et",
        "y",
        "e",
        "en",
        "of",
        "de",
        "la",
        "le",
        "der",
        "die",
        "das",
        "im",
        "in",
        "only",
        "access",
        "acces",
        "acceso",
        "zugang",
        "entry",
        "pass",
        "passes",
        "ticket",
        "tickets",
        "club",
        "level",
        "seat",
        "seats",
        "seating",
        "room",
        "rooms",
        "private",
        "party",
        "luxury",
        "executive",
        "gold",
        "silver",
        "table",
        "tables",
        "section",
        "reserved",
        "single",
        "double",
        "person",
        "personen",
        "pers",
    ]
)

CANCELLED = re.compile(
    r"\b(?:(?<!not )(?<!nicht )cancell?ed|cancell?ation|(?<!nicht )abgesagt\w*|absage|entfallt|fallt aus|ausgefallen|annulee?s?|annulation|"
    r"cancelad[oa]s?|suspendid[oa]s?|anulad[oa]s?|annullat[oaie]|cancellat[oaie]|geannuleerd|afgelast|gaat niet door|"
    r"installd[at]?|installt|aflyst|avlyst|peruttu|peruutettu|odwo[lł]an\w*|zrusen\w*|elmarad\w*|otkazan\w*|anulata?|iptal|"
    r"отмен[еа]\w*|скасован\w*)\b(?! tour)|公演中止|中止|取消|취소"
)
# `verlegt nach …` and `verplaatst naar …` are a move to another hall.
POSTPONED = re.compile(
    r"\b(?:postponed|verschoben|verlegt(?! (?:in|ins|nach|von|vom|aus)\b)|reportee?s?|pospuest[oa]s?|aplazad[oa]s?|postergad[oa]s?|"
    r"rinviat[oaie]|posticipat[oaie]|rimandat[oaie]|uitgesteld|verplaatst(?! naar (?!\d))|verschoven|adiad[oa]s?|uppskjut\w+|"
    r"framflytta\w+|flyttad|flyttas|udsat|udskudt|utsatt|utsettes|siirretty|siirtyy|lykatty|prze[lł]ozon\w*|odlozen\w*|"
    r"prelozen\w*|elhalasztva|odgoden\w*|ertelendi|amanat\w*|перенес\w+|отложен\w*)\b(?! tour)|延期|연기"
)
NEW_DATE = re.compile(
    r"\b(?:new (?:show )?dates?(?! (?:added|announced))|re ?scheduled|neue[rs]? (?:termin|datum)|nachholtermin|nachholkonzert|"
    r"ersatztermin|nouvelles? dates?|nuevas? fechas?|reprogramad[oa]s?|nuov[ae] dat[ae]|nieuwe (?:datum|data)|novas? datas?|"
    r"nytt datum|ny dato|uusi (?:paiva|pvm|paivamaara|ajankohta)|nowy termin|nowa data|novy termin|uj (?:idopont|datum)|"
    r"nov[ai] datum|yeni tarih|новая дата|нова дата)\b|振替|새 날짜"
)
