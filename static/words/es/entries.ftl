# Las páginas de artistas, salas y canciones, la búsqueda y los conciertos propios.

artist-title = { $artist }: conciertos, canciones y votos | { $service }
venue-title = { $venue }, { $city }: conciertos y opiniones | { $service }
song-title = { $title }, de { $artist } | { $service }
show-count =
    { $count ->
        [one] { $count } concierto
        [many] { $count } de conciertos
       *[other] { $count } conciertos
    }
next-shows = Próximos conciertos
last-shows = Últimos conciertos
no-next-shows = No hay ningún concierto anunciado. Sigue al artista para enterarte por correo.
no-next-shows-here = Aquí no hay ningún concierto anunciado.
show-all-of = Ver los { $count }

# ── Un artista

foresight-heading = Cuánto aciertan los fans
foresight-fans = fans
foresight-before = el concierto anterior
foresight-each = Concierto a concierto
foresight-lead =
    { $count ->
        [1] El público previó el { $share } de lo que sonó en el último concierto.
       *[other] El público previó el { $share } de lo que sonó en los últimos { $count } conciertos.
    }
foresight-lead-before = { $lead } Quien repite las canciones del concierto anterior acierta el { $before }.
foreseen-of =
    { $played ->
        [one] { $hits } de { $played } canción prevista
        [many] { $hits } de { $played } de canciones previstas
       *[other] { $hits } de { $played } canciones previstas
    }
rotation-heading =
    { $count ->
        [1] Sonaron en el último concierto
       *[other] Sonaron en los últimos { $count } conciertos
    }
rotation-times = en { $played } de { $count }
songs-heading = Canciones
songs-by-votes = Canciones por votos
song-votes-spoken = { $up } a favor, { $down } en contra
plays-none = Todavía no ha sonado
plays-predicted =
    { $count ->
        [one] Todavía no ha sonado; prevista en { $count } concierto
        [many] Todavía no ha sonado; prevista en { $count } de conciertos
       *[other] Todavía no ha sonado; prevista en { $count } conciertos
    }
plays =
    { $count ->
        [one] Sonó { $count } vez
        [many] Sonó { $count } de veces
       *[other] Sonó { $count } veces
    }
plays-last =
    { $count ->
        [one] Sonó { $count } vez, la última el { $date }
        [many] Sonó { $count } de veces, la última el { $date }
       *[other] Sonó { $count } veces, la última el { $date }
    }

# ── Una sala

venue-holds =
    { $count ->
        [one] con sitio para { $count } persona
        [many] con sitio para { $count } de personas
       *[other] con sitio para { $count } personas
    }
venue-map = Mapa
venue-map-where = en OpenStreetMap, en una pestaña nueva
rating-none = Todavía no hay opiniones
rating =
    { $count ->
        [one] { $rating } de 5, { $count } opinión
        [many] { $rating } de 5, { $count } de opiniones
       *[other] { $rating } de 5, { $count } opiniones
    }
stars =
    { $count ->
        [one] { $count } estrella
        [many] { $count } de estrellas
       *[other] { $count } estrellas
    }
reviews-heading = Opiniones
reviews-none = Nadie ha escrito todavía sobre esta sala.
review-own = Tu opinión
review-were-you = ¿Estuviste en { $venue }?
review-label = Lo que otros deberían saber (puedes dejarlo vacío)
review-send = Enviar
review-change = Cambiarla
review-delete = Borrar
review-pending = ¡Gracias! Un moderador lee tu opinión antes de que otros la vean.
review-approved = ¡Gracias! Tu opinión está en esta página.
review-rejected = Un moderador no aceptó tu opinión. Cámbiala y envíala de nuevo.
review-deleted = Tu opinión se borró.
review-by = { $name }, { $date }
review-by-fan = Un fan, { $date }

# ── Una canción

song-by = Una canción de
song-votes-heading = Votos
song-who-plays = Quién la toca
song-in-setlists = En setlists
song-in-none = Esta canción todavía no está en ningún setlist.
song-played-as = Sonó en el puesto { $number }
song-predicted = Prevista
song-predicted-votes =
    { $count ->
        [one] Prevista, { $count } voto
        [many] Prevista, { $count } de votos
       *[other] Prevista, { $count } votos
    }
song-votes = Votos de los fans: { $up } a favor y { $down } en contra.
song-votes-none = Nadie la ha votado todavía.

# ── Mientras carga, y cuando no está

artist-loading = Cargando el artista
artist-missing = Artista no encontrado
artist-failed = No se pudo cargar este artista
artist-missing-why = La dirección no es correcta o el artista se eliminó. Búscalo por su nombre.
venue-loading = Cargando la sala
venue-missing = Sala no encontrada
venue-failed = No se pudo cargar esta sala
venue-missing-why = La dirección no es correcta o la sala se eliminó. Búscala por su nombre.
song-loading = Cargando la canción
song-missing = Canción no encontrada
song-failed = No se pudo cargar esta canción
song-missing-why = La dirección no es correcta o la canción se eliminó. Búscala por su título.

# ── La búsqueda de la cabecera

find-label = Todo
find-words = Buscar artistas, canciones, salas y conciertos
find-hint = Artista, canción o sala
find-artists = Artistas
find-songs = Canciones
find-venues = Salas
find-shows = Conciertos
find-results =
    { $count ->
        [one] { $count } resultado
        [many] { $count } de resultados
       *[other] { $count } resultados
    }
find-all = Todos los conciertos con «{ $words }»
find-nothing = Nada lleva «{ $words }» en su nombre. Revisa la ortografía o prueba con una sola palabra.
find-too-much = Es demasiado para buscar. Prueba con menos palabras.

# ── La primera página

own-heading = Tus conciertos
own-going = Vas a ir
own-votes =
    { $count ->
        [one] Diste { $count } voto
        [many] Diste { $count } de votos
       *[other] Diste { $count } votos
    }
own-following = Lo sigues
near-me = Cerca de mí
near-none = Ningún concierto cerca de ti coincide.
near-asked = Tu navegador pregunta si esta página puede saber dónde estás.
near-denied = Tu navegador no dice dónde estás. Permíteselo a esta página en sus ajustes o busca tu ciudad.
near-unknown = No se pudo encontrar dónde estás. Inténtalo de nuevo o busca tu ciudad.
near-found = A menos de 100 km de ti.
near-here = a menos de 1 km
near-away = a { $count } km

# ── Un concierto después de tocarse, y cómo llegaron los votos

foreseen-heading = Lo previsto y lo que sonó
foreseen-fans = Los fans previeron
foreseen-played = Sonó
foreseen-was-played = , sonó
foreseen-not-played = , no sonó
foreseen-was-foreseen = , prevista
foreseen-not-foreseen = , sin prever
history-heading = Cómo llegaron los votos
history-label = { $votes }, contando los que se cambiaron. Lo más en { $step }: { $most }, desde { $when }.
history-songs-heading = Las canciones favoritas en el tiempo
history-songs-lead = Votos a favor menos votos en contra, de { $first } a { $last }. Todas las líneas tienen la misma escala.
history-songs-song = Canción
history-hours =
    { $count ->
        [one] { $count } hora
        [many] { $count } de horas
       *[other] { $count } horas
    }
history-days =
    { $count ->
        [one] { $count } día
        [many] { $count } de días
       *[other] { $count } días
    }

# ── Whether the own votes are in the public ledger

receipt-heading = Comprueba tus votos
receipt-right = Tus votos están en el registro público de este concierto. Tu navegador lo ha calculado por sí mismo.
receipt-unsigned = Tus votos están en el registro público de este concierto. Este navegador no puede comprobar la firma; uno más nuevo sí.
receipt-missing =
    { $count ->
        [one] Uno de tus votos aún no está en el registro. Cierra esto y ábrelo de nuevo en un momento.
        [many] { $count } de tus votos aún no están en el registro. Cierra esto y ábrelo de nuevo en un momento.
       *[other] { $count } de tus votos aún no están en el registro. Cierra esto y ábrelo de nuevo en un momento.
    }
receipt-wrong = Algo no va bien en el registro de este concierto. Avisa a quienes lo gestionan y guarda una imagen de esta página.
receipt-none-yet = Este concierto aún no tiene registro. Empieza un segundo después del primer voto.
receipt-insecure = Tu navegador solo comprueba votos en una página con https.
receipt-vote =
    { $choice ->
        [up] Tu voto a favor de { $title } es la entrada { $number } de { $count }.
       *[down] Tu voto en contra de { $title } es la entrada { $number } de { $count }.
    }
receipt-vote-wrong = El registro no demuestra tu voto sobre { $title }.
