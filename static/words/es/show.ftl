# La página de un concierto.

# ── Estados

status-upcoming = Próximamente
status-live = En vivo
status-finished = Terminado
status-cancelled = Cancelado

voting-open = Votación abierta
voting-locked = Votación en pausa
voting-closed = Votación cerrada
voting-final = Resultado final

# ── La conexión

connection-live = Conectado
connection-polling = Con retraso
connection-reconnecting = Conectando
connection-offline = Sin conexión
connection-reason =
    { $reason ->
        [missing] Este navegador no admite la conexión en vivo.
        [blocked] Esta red bloquea la conexión en vivo.
        [overloaded] El servidor no acepta más conexiones en vivo desde esta red.
       *[rate_limited] Hubo demasiadas conexiones desde aquí en poco tiempo.
    } { $works ->
        [yes] Los votos se actualizan cada pocos segundos y los tuyos se envían.
       *[no] La página vuelve a intentarlo sola.
    }
connection-origin = El servidor no conoce la dirección de esta página. Nadie puede votar aquí hasta que lo arreglen sus responsables.
connection-lost = Se perdió la conexión. Tus votos están guardados.
connection-again = Conexión recuperada.

# ── La cabecera de la página

show-loading = Cargando el concierto
show-missing = Concierto no encontrado
show-failed = No se pudo cargar este concierto
show-missing-why = La dirección no es correcta o el concierto se eliminó. Búscalo en la lista de todos los conciertos.
all-shows = Todos los conciertos
try-again = Reintentar
reload = Recargar
bill-with = con { $names }
show-when = { $date }, { $time }
show-when-here = Donde estás empieza el { $here }.
show-title = { $artist }, { $venue } | { $service }
going = Voy a ir
share = Compartir
share-copied = Enlace copiado.
share-by-hand = Copia el enlace: { $address }
follow = Seguir
follow-artist = Seguir a { $artist }
followers =
    { $count ->
        [one] { $count } seguidor
        [many] { $count } de seguidores
       *[other] { $count } seguidores
    }
attendance-going =
    { $going ->
        [one] { $going } va
        [many] { $going } van
       *[other] { $going } van
    }
attendance-watching = { $watching } mirando
attendance-both =
    { $going ->
        [one] { $going } va, { $watching } mirando
        [many] { $going } van, { $watching } mirando
       *[other] { $going } van, { $watching } mirando
    }
sources = Fuentes

# ── El horario de la votación

just-now = ahora mismo
window-open = La votación está abierta
window-open-until = Votación abierta hasta { $when } ({ $in })
window-closing = La votación se está cerrando
window-opens = La votación abre { $when } ({ $in })
window-paused = La organización ha pausado la votación
window-final = El resultado es definitivo
window-cancelled = Este concierto se canceló
window-closed = La votación está cerrada
window-closed-since = La votación cerró { $when } ({ $in })
state-opens = Abre { $in }
state-closes = Cierra { $in }
state-closing = Cerrando

# ── Cómo se vota y por qué no

how-to-vote = Toca una flecha para votar; tócala otra vez para quitar el voto.
how-to-vote-budget = Toca una flecha para votar; tócala otra vez para quitar el voto. Un voto en contra también gasta uno de tus votos.
why-early = Podrás votar cuando abra la votación. Esta página se actualiza sola.
why-locked = Todos los votos están guardados. Podrás votar otra vez cuando la organización continúe.
why-closed = Ya no se cuentan más votos. Falta la última comprobación del recuento.
why-final = La votación terminó y el recuento está comprobado.
why-cancelled = No se puede votar en un concierto cancelado.
hidden-live = Los votos vuelven en un momento.
hidden-after-vote = Los votos están ocultos hasta que votes. Vota una canción para verlos.
hidden-after-closing = Los votos están ocultos hasta que el resultado sea definitivo.

# ── Recuentos

votes =
    { $count ->
        [one] { $count } voto
        [many] { $count } de votos
       *[other] { $count } votos
    }
votes-unit =
    { $count ->
        [one] voto
        [many] de votos
       *[other] votos
    }
votes-left =
    { $count ->
        [one] Te queda { $count } voto
        [many] Te quedan { $count } de votos
       *[other] Te quedan { $count } votos
    }
votes-left-of =
    { $count ->
        [one] Te quedan { $left } de { $count } voto
        [many] Te quedan { $left } de { $count } de votos
       *[other] Te quedan { $left } de { $count } votos
    }
votes-waiting =
    { $count ->
        [one] Hay { $count } voto pendiente de enviar. Hasta entonces queda guardado en este dispositivo.
        [many] Hay { $count } de votos pendientes de enviar. Hasta entonces quedan guardados en este dispositivo.
       *[other] Hay { $count } votos pendientes de enviar. Hasta entonces quedan guardados en este dispositivo.
    }
vote-waiting = Pendiente de enviar
vote-pending = Enviando
vote-accepted = Recibido, guardando
vote-committed = Tu voto, contado
voted =
    { $choice ->
        [up] Voto a favor: { $title }.
        [down] Voto en contra: { $title }.
       *[none] Quitaste tu voto: { $title }.
    }
voted-later = { voted } Se enviará cuando vuelva la conexión.

# ── Las canciones

order-votes = Por votos
order-setlist = Orden del setlist
order-label = Orden de las canciones
setlist-predicted = Setlist previsto
setlist-actual = Lo que sonó
no-songs = Todavía no hay canciones.
set-title =
    { $kind ->
        [encore] Bis
        [alternate] Set alternativo
       *[main] Set principal
    }
set-title-numbered =
    { $kind ->
        [encore] Bis { $number }
        [alternate] Set alternativo { $number }
       *[main] Set { $number }
    }
set-title-of =
    { $kind ->
        [encore] { $artist }, bis
       *[alternate] { $artist }, set alternativo
    }
set-title-of-numbered =
    { $kind ->
        [encore] { $artist }, bis { $number }
        [alternate] { $artist }, set alternativo { $number }
       *[main] { $artist }, set { $number }
    }
song-tape = Pregrabada
song-tape-of = Pregrabada, de { $artist }
song-cover = Versión de { $artist }
song-medley = Popurrí
song-playing = Sonando ahora
song-playing-title = Suena ahora: { $title }
song-played-at = Sonó a las { $time }
song-was-played = Sonó.
played-so-far = Ya han sonado ({ $count })
song-unforeseen = Sin prever
song-counts = { $up } a favor, { $down } en contra.
vote-up-on = Votar a favor: { $title }
vote-down-on = Votar en contra: { $title }
vote-up-on-counted = Votar a favor: { $title }, { $votes }
vote-down-on-counted = Votar en contra: { $title }, { $votes }
your-vote-on = Tu voto a { $title }
leader =
    { $count ->
        [one] { $title } va primera con { $count } voto.
        [many] { $title } va primera con { $count } de votos.
       *[other] { $title } va primera con { $count } votos.
    }
leader-shared =
    { $count ->
        [one] { $title } y { $count } canción más comparten el primer puesto.
        [many] { $title } y { $count } de canciones más comparten el primer puesto.
       *[other] { $title } y { $count } canciones más comparten el primer puesto.
    }
announced = { $state }.

# ── Cuánto acertó el público

accuracy-none =
    { $played ->
        [one] El público no acertó la única canción que sonó
        [many] El público no acertó ninguna de { $played } de canciones
       *[other] El público no acertó ninguna de las { $played } canciones
    }
accuracy-all =
    { $played ->
        [one] El público acertó la única canción que sonó
        [many] El público acertó { $played } de canciones, todas
       *[other] El público acertó las { $played } canciones
    }
accuracy-some =
    { $played ->
        [one] El público acertó { $hits } de { $played } canción
        [many] El público acertó { $hits } de { $played } de canciones
       *[other] El público acertó { $hits } de { $played } canciones
    }
accuracy-one-pick =
    { $hits ->
        [0] Su única apuesta no sonó.
       *[other] Su única apuesta sonó.
    }
accuracy-picks =
    { $hits ->
        [one] Sonó { $hits } de sus { $predicted } apuestas.
        [many] Sonaron { $hits } de sus { $predicted } apuestas.
       *[other] Sonaron { $hits } de sus { $predicted } apuestas.
    }
accuracy-before = { $picks } El setlist del concierto anterior tenía { $before } de las { $played }.

# ── Enlaces a otros sitios

source-prediction-spotify = Previsto según lo más escuchado en Spotify
source-prediction = Previsto según los setlists de { $site }
source-listen = Escuchar en Spotify
source-artist = Sobre el artista en { $site }
source-tickets = Entradas en { $site }
source-played = Canciones que sonaron, en { $site }
source-show = Sobre el concierto en { $site }

# ── Sugerencias

suggest-heading = ¿Falta una canción?
suggest-lead = Sugiérela. Si los moderadores están de acuerdo, todos podrán votarla.
suggest-title = Título de la canción
suggest = Sugerir
suggest-pending = En espera
suggest-approved = En el setlist
suggest-declined = Rechazada
suggest-thanks = ¡Gracias! Los moderadores revisarán «{ $title }».

# ── Conciertos en los que se vota con entrada

ticket-heading-code = En este concierto se vota con entrada
ticket-heading-work = Este concierto le pide un poco de trabajo a tu dispositivo
ticket-heading-mail = En este concierto votan los fans con correo confirmado
ticket-why-work = Antes de tu primer voto, tu dispositivo trabaja unos segundos. Eso solo encarece las cuentas falsas: no frena a quien paga por ellas.
ticket-why-mail = Te llega un correo con un enlace. Ábrelo, vuelve aquí y pulsa «Ya lo confirmé».
ticket-start-work = Empezar
ticket-start-mail = Ya lo confirmé
ticket-label = Código de tu entrada
ticket-use = Usar este código
ticket-missing = Escribe el código de tu entrada.
ticket-offered = Este código venía en tu enlace. Pulsa «Usar este código».
ticket-confirm-email = Confirma tu correo
ticket-working = Tu dispositivo está trabajando. Tarda unos segundos.
ticket-cannot-work = Esta página llegó sin HTTPS, así que tu navegador no puede hacer este trabajo.

# ── Sin conexión

counts-from-offline = No tienes conexión. Los votos son de las { $time }.
counts-from = No hay conexión con el servidor. Los votos son de las { $time }.
kept-heading = Conciertos en este dispositivo
kept-line = { $date } · votos de las { $time }
