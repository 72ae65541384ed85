# Lo que dicen de una página los buscadores, los mensajeros y los calendarios.

head-date-pattern = d 'de' MMMM 'de' y
head-show = { $artist } en { $place }, el { $date }. Vota las canciones del setlist y mira cómo cambian los votos en vivo.
head-show-cancelled = Cancelado: { $artist } en { $place }, el { $date }.
head-show-finished = { $artist } en { $place }, el { $date }: el setlist que votaron los fans y lo que sonó.
head-artist-next = { $artist }: conciertos, canciones y setlists que votan los fans. El próximo concierto es en { $place }, el { $date }.
head-artist = { $artist }: conciertos, canciones y setlists que votan los fans. No hay ningún concierto anunciado.
head-venue-next = Conciertos en { $venue }, { $city }, y lo que opinan los fans. El próximo: { $artist }, el { $date }.
head-venue = Conciertos en { $venue }, { $city }, y lo que opinan los fans. No hay ningún concierto anunciado.
head-song = Quién toca «{ $title }», de { $artist }, cuántas veces y en qué setlists.
head-calendar = Calendario
show-name = { $artist } en { $venue }
calendar-invitation = Vota las canciones del setlist: { $address }
