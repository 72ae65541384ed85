# El juego: la apuesta de un fan para un concierto, las clasificaciones y los grupos.

pick-yours = Tu apuesta
pick-make = Haz tu apuesta
pick-locked = Tu apuesta está cerrada
pick-all-locked = Tu apuesta: ya no se puede apostar
pick-points =
    { $count ->
        [one] Tu apuesta: { $count } punto
        [many] Tu apuesta: { $count } de puntos
       *[other] Tu apuesta: { $count } puntos
    }
pick-songs =
    { $count ->
        [one] Tu apuesta: { $count } canción
        [many] Tu apuesta: { $count } de canciones
       *[other] Tu apuesta: { $count } canciones
    }
pick-lead = Elige hasta diez canciones que esperas. Cada una que suene da puntos: pocos si todos la eligieron, hasta 100 si es rara. Nadie ve tu apuesta.
pick-opener = Apertura
pick-closer = Cierre
pick-encore = Bis
pick-opener-hint = abre el concierto: 50 puntos más
pick-closer-hint = cierra el concierto: 50 puntos más
pick-encore-hint = suena en un bis: 30 puntos más
pick-none = No hiciste ninguna apuesta para este concierto.
pick-locks = Las apuestas se cierran cuando empiece el concierto, { $when } ({ $in }).
pick-chosen = { $count } de { $max } canciones elegidas
pick-full = Ya elegiste { $max } canciones. Quita una primero.
pick-saved = Tu apuesta está guardada.
pick-accepted = Recibimos tu apuesta y se está guardando.
pick-withdrawn = Retiraste tu apuesta.
points =
    { $count ->
        [one] { $count } punto
        [many] { $count } de puntos
       *[other] { $count } puntos
    }
pick-score =
    { $points ->
        [one] { $points } punto, puesto { $rank } de { $count }
        [many] { $points } de puntos, puesto { $rank } de { $count }
       *[other] { $points } puntos, puesto { $rank } de { $count }
    }
pick-played = Sonó
pick-played-worth =
    { $count ->
        [one] Sonó, { $count } punto
        [many] Sonó, { $count } de puntos
       *[other] Sonó, { $count } puntos
    }
pick-worth =
    { $count ->
        [one] { $count } punto si suena
        [many] { $count } de puntos si suena
       *[other] { $count } puntos si suena
    }
pick-failed-locked = El concierto empezó, así que las apuestas están cerradas. Cuenta la última que guardaste.
pick-failed-forbidden = Esta cuenta no puede apostar.
pick-failed-not-found = Una de estas canciones ya no está en el concierto. Vuelve a cargar la página.
pick-failed-overloaded = Hay mucha gente apostando. Inténtalo de nuevo en un momento.
pick-failed = No se pudo guardar tu apuesta. Revisa tu conexión e inténtalo de nuevo.

board-open = Se puede apostar. Los puntos llegan con la primera canción.
board-live = En vivo: los puntos siguen cada canción.
board-final = Puntos definitivos
board-no-name = Un fan
board-you = tú
board-season = Temporada { $name }
board-empty = Aquí nadie tiene puntos todavía.
board-fans =
    { $count ->
        [one] { $count } fan
        [many] { $count } de fans
       *[other] { $count } fans
    }
board-own =
    { $points ->
        [one] Vas en el puesto { $rank } de { $count }, con { $points } punto.
        [many] Vas en el puesto { $rank } de { $count }, con { $points } de puntos.
       *[other] Vas en el puesto { $rank } de { $count }, con { $points } puntos.
    }
board-not-on = Todavía no estás en esta clasificación. Haz tu apuesta antes de que empiece un concierto.

crew-invitation =
    { $count ->
        [one] Te invitan al grupo «{ $name }», con { $count } miembro.
        [many] Te invitan al grupo «{ $name }», con { $count } de miembros.
       *[other] Te invitan al grupo «{ $name }», con { $count } miembros.
    }
crew-failed-not-found = No hay ningún grupo en esta dirección o no eres miembro. Pide otra vez el enlace.
crew-failed-conflict = Este grupo está lleno o ya estás en todos los que se puede.
crew-failed-bad-request = Ese nombre no se puede usar. Elige otro.
crew-failed-forbidden = Esta cuenta no puede unirse a grupos.

# ── Textos de los formularios

pick-songs-label = Canciones para elegir
pick-nothing = Ninguna
pick-save = Guardar mi apuesta
pick-withdraw = Retirarla
board = Clasificación
boards = Clasificaciones
board-title = { $name } · Clasificación · { $service }
board-description = Los fans que mejor saben lo que va a sonar: por concierto, artista, temporada y grupo.
board-back = Volver al concierto
board-caption = Puestos, del mejor al último
board-place = Puesto
board-fan = Fan
board-points = Puntos
board-more = Más puestos
board-missing = No hay ninguna clasificación en esta dirección.
board-shows =
    { $count ->
        [one] { $count } concierto
        [many] { $count } de conciertos
       *[other] { $count } conciertos
    }
crew-join = Unirme
crew-copy = Copiar
crew-copied = Enlace copiado.
crew-copy-selected = Copia el enlace seleccionado.
crew-leave = Salir de este grupo
crew-link = Quien tenga este enlace puede unirse:
crew-name = Nombre de un grupo nuevo
crew-make = Crearlo
crews = Tus grupos
crews-lead = Un grupo: tú y tus amigos, con una clasificación que solo ven sus miembros.
