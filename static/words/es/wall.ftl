# Pantallas: en una sala, en un stream, en otra web. Se leen desde lejos: que sean cortas.

wall-description = Las canciones de un concierto con sus votos en vivo.
wall-needs-script = Esta página necesita JavaScript para mostrar los votos en vivo.
wall-qr = Código QR de la página donde votan los fans
wall-vote-at = Vota en
wall-vote = Vota estas canciones

wall-cancelled = Concierto cancelado
wall-final = Resultado final
wall-paused = Votación en pausa
wall-opens-in = La votación abre en
wall-closed = Votación cerrada
wall-ends-in = La votación cierra en
wall-closing = Cerrando la votación
wall-days-left =
    { $count ->
        [one] { $count } día
        [many] { $count } de días
       *[other] { $count } días
    }
wall-votes =
    { $count ->
        [one] { $count } voto
        [many] { $count } de votos
       *[other] { $count } votos
    }
wall-votes-watching =
    { $count ->
        [one] { $count } voto · { $watching } mirando
        [many] { $count } de votos · { $watching } mirando
       *[other] { $count } votos · { $watching } mirando
    }
wall-hidden-until-vote = Vota para ver los votos en tu móvil.
wall-hidden = Los votos son secretos hasta el final.
wall-playing = Sonando ahora
wall-playing-tag = sonando
wall-played-tag = ya sonó
wall-lost = Sin conexión. Los votos siguen cuando vuelva.
