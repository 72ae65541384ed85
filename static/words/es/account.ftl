# La página de la cuenta y la de un enlace para iniciar sesión.

account-description = El correo de tu cuenta de MySetlist y dónde tienes la sesión iniciada.
account-needs-script = Esta página necesita JavaScript. Actívalo y vuelve a cargar la página.
one-moment = Un momento…
account-is = Eres { $name } (cuenta { $id }).
account-is-nameless = Tu cuenta es la { $id }.
account-none = No has iniciado sesión. Con tu primer voto se crea una cuenta.
account-left = Has cerrado sesión en todas partes.

sessions-heading = Dónde tienes la sesión iniciada
session-unknown = Un programa desconocido
session-device = { $program } en { $system }
session-since =
    { $kind ->
        [link] desde el { $day }, con un enlace
        [command] desde el { $day }, con un comando
       *[fan] desde el { $day }
    }
session-here = este navegador
sign-out = Cerrar sesión
sign-out-of = Cerrar sesión de { $name }, desde el { $day }
sign-out-everywhere = Cerrar sesión en todas partes
sign-out-question = También se cierra en este navegador. Una cuenta sin enlace de inicio no se puede volver a abrir; sus votos siguen contando.
sign-out-yes = Sí, cerrar en todas partes
sign-out-no = Seguir con la sesión

email-heading = Tu correo
email-back = Volver al concierto
email-address = Correo electrónico
email-frequency = Correos sobre conciertos y artistas que sigues
email-never = Ninguno (solo la confirmación)
email-immediately = Al momento
email-daily = Una vez al día
email-weekly = Una vez a la semana
email-save = Guardar
email-delete = Borrar esta dirección
email-confirmed = { $address } está confirmado.
email-confirmed-back = { $address } está confirmado. Vuelve al concierto y vota.
email-off = Este servicio no envía correos, así que aquí no se puede confirmar ninguna dirección.
email-sent = Va un correo de camino a { $address }. Abre su enlace para confirmar la dirección; esta página lo notará. ¿No llega nada? Mira en la carpeta de spam o guarda otra vez.
email-wanted = En el concierto votan los fans con correo confirmado. Danos el tuyo: recibirás un enlace para confirmarlo.
email-none = No has guardado ninguna dirección. En algunos conciertos solo votan los fans con correo confirmado.
email-stopped-link = { $confirmed } No recibe correos porque cancelaste la suscripción. Guárdalo con correos para volver a recibirlos.
email-stopped-bounce = { $confirmed } No recibe correos porque su servidor rechazó uno.
email-stopped-complaint = { $confirmed } No recibe correos porque uno se marcó como spam.
email-stopped-staff = { $confirmed } No recibe correos porque la organización los detuvo.
email-malformed = No podemos escribir a esa dirección. Revísala.
email-not-loaded = { $why } Recarga la página para intentarlo de nuevo.

sign-in = Iniciar sesión
signin-description = Inicia sesión en MySetlist con un enlace.
signin-needs-script = Esta página necesita JavaScript. Actívalo y abre el enlace otra vez.
signin-incomplete = Este enlace no está completo o ya se abrió. Copia el enlace entero o pide uno nuevo.
signin-once = Este enlace inicia tu sesión una sola vez.
signin-replaces = Tu sesión está iniciada como { $who }. Si entras con este enlace, sustituye esa cuenta en este navegador. Puede que no puedas volver a ella.
signin-account =
    { $role ->
        [user] cuenta { $id }
       *[staff] cuenta { $id }, { $role }
    }
signin-account-named =
    { $role ->
        [user] { $name } (cuenta { $id })
       *[staff] { $name } (cuenta { $id }), { $role }
    }
signin-replace = Sustituirla e iniciar sesión
