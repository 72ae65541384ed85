# Los votos y artistas del visitante, su cuenta en otro dispositivo y sus datos.

me-ballots = Tus votaciones
me-follows = Artistas que sigues
me-no-ballots = Todavía no has votado. Elige un concierto y toca una flecha junto a una canción.
me-no-follows = Todavía no sigues a nadie. En la página de un artista hay un botón para eso.
me-accuracy-none = Después de un concierto verás aquí cuántas de tus canciones sonaron.
me-accuracy =
    { $count ->
        [one] En { $count } concierto: sonó el { $precision } de las canciones que votaste a favor. Tus votos nombraron el { $recall } de lo que sonó.
        [many] En { $count } de conciertos: sonó el { $precision } de las canciones que votaste a favor. Tus votos nombraron el { $recall } de lo que sonó.
       *[other] En { $count } conciertos: sonó el { $precision } de las canciones que votaste a favor. Tus votos nombraron el { $recall } de lo que sonó.
    }
me-accuracy-recall =
    { $count ->
        [one] En { $count } concierto: tus votos nombraron el { $recall } de lo que sonó.
        [many] En { $count } de conciertos: tus votos nombraron el { $recall } de lo que sonó.
       *[other] En { $count } conciertos: tus votos nombraron el { $recall } de lo que sonó.
    }
me-ballot-score =
    { $predicted ->
        [one] Sonó { $hits } de { $predicted } canción
        [many] Sonaron { $hits } de { $predicted } de canciones
       *[other] Sonaron { $hits } de { $predicted } canciones
    }

# ── Un código para otro dispositivo

device-heading = Usa tu cuenta en otro dispositivo
device-lead = Tus votos, artistas y apuestas son de este navegador. Con un código los llevas a otro móvil u ordenador.
device-show = Mostrar un código
device-how = Abre esta dirección en el otro dispositivo y escribe allí el código:
device-expires = Sirve una vez, durante { $time } minutos más. No se lo des a nadie: quien lo tiene eres tú.
device-over = El código caducó. Muestra uno nuevo cuando lo necesites.
device-used = El otro dispositivo ya tiene la sesión iniciada.
device-enter = ¿Tienes un código de otro dispositivo?
device-wrong = Este código no es correcto, ya se usó o caducó. Haz uno nuevo en el otro dispositivo.
device-malformed = Un código tiene 8 letras y números. No lleva 0, 1, I, L, O ni U. Revisa lo que escribiste.
device-replace = Aquí tiene la sesión iniciada la cuenta { $account }. Sin un código o un enlace propio no se puede volver a abrir; sus votos siguen contando.
device-replace-yes = Sustituirla e iniciar sesión
device-replace-no = Conservar esta cuenta

# ── Los datos del visitante

data-heading = Tus datos
data-lead = Todo lo que la base de datos guarda sobre ti, en un archivo. Se hace uno nuevo una vez al día.
data-export = Descargar mis datos
data-queued = Tu archivo se está preparando. Llega solo en un momento.
data-ready = Tu archivo va de camino.
data-erase = Borrar mi cuenta
data-question = ¿Borrar esta cuenta para siempre?
data-what-deleted = Tu correo, tu nombre, tus artistas, tus opiniones y tus grupos se borran ahora.
data-what-votes = Tus votos y apuestas siguen contando, sin tu nombre. Nadie podrá saber ya que eran tuyos.
data-what-devices = Se cierra la sesión en todos los dispositivos. Nadie puede recuperar la cuenta.
data-understood = Entiendo que esto no se puede deshacer.
data-yes = Borrarla para siempre
data-no = Conservar mi cuenta
data-erased = Tu cuenta se borró. Tus votos siguen contando, sin tu nombre.

me-picks = Tus apuestas
me-no-picks = Todavía no tienes apuestas. Se hacen en la página de un concierto, hasta que empieza.
me-pick-songs =
    { $count ->
        [one] { $count } canción
        [many] { $count } de canciones
       *[other] { $count } canciones
    }
me-pick-score =
    { $points ->
        [one] { $points } punto, puesto { $rank }
        [many] { $points } de puntos, puesto { $rank }
       *[other] { $points } puntos, puesto { $rank }
    }

# ── El calendario del visitante

calendar-heading = Tu calendario
calendar-lead = Los conciertos a los que vas y, como provisionales, los de los artistas que sigues, en el calendario de tu teléfono u ordenador.
calendar-make = Crear mi calendario
calendar-made = Tu calendario está creado.
calendar-address = Dirección secreta de tu calendario
calendar-secret = Quien tiene esta dirección ve a qué conciertos vas. Dásela solo a tu programa de calendario.
calendar-open = Añadir a mi calendario
calendar-copy = Copiar la dirección
calendar-copied = Dirección copiada. Pégala en tu programa de calendario como suscripción.
calendar-copy-selected = Copia la dirección seleccionada.
calendar-renew = Dirección nueva
calendar-renew-question = ¿Dar una dirección nueva a tu calendario? Los programas que tienen la anterior ya no recibirán nada.
calendar-renew-yes = Darle una dirección nueva
calendar-renewed = Tu calendario tiene una dirección nueva. La anterior ya no vale.
calendar-delete = Eliminar
calendar-delete-question = ¿Eliminar tu calendario? Los programas que tienen su dirección ya no recibirán nada.
calendar-delete-yes = Eliminar mi calendario
calendar-deleted = Tu calendario está eliminado. Su dirección ya no vale.
calendar-keep = Conservarlo
