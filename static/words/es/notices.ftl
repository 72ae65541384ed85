# Lo que se rechazó, se retrasó o se descartó.

barred = Esta cuenta no puede votar aquí.
ok = Entendido

notice-removed =
    { $about ->
        [song] «{ $title }» ya no está en este concierto. Recuperas tu voto.
       *[vote] La canción ya no está en este concierto. Recuperas tu voto.
    }
notice-played =
    { $about ->
        [song] «{ $title }» ya sonó, así que el cambio no cuenta.
       *[vote] La canción ya sonó, así que el cambio no cuenta.
    }
notice-closed =
    { $about ->
        [song] La votación está cerrada, así que el cambio en «{ $title }» no cuenta.
       *[vote] La votación está cerrada, así que el cambio en tu voto no cuenta.
    }
notice-locked =
    { $about ->
        [song] La votación está en pausa, así que el cambio en «{ $title }» no cuenta.
       *[vote] La votación está en pausa, así que el cambio en tu voto no cuenta.
    }
notice-budget =
    { $about ->
        [song] No te quedan votos para «{ $title }». Quita uno primero.
       *[vote] No te quedan votos. Quita uno primero.
    }
notice-not-found =
    { $about ->
        [song] «{ $title }» ya no está en este setlist.
       *[vote] Esa canción ya no está en el setlist.
    }
notice-other =
    { $about ->
        [song] El cambio en «{ $title }» no se contó ({ $code }).
       *[vote] El cambio en tu voto no se contó ({ $code }).
    }
notice-elsewhere = { $notice } Era de otro concierto, de una visita anterior.
notice-paused = La organización ha pausado la votación. Todos los votos están guardados. Podrás votar otra vez cuando continúe.
notice-ticket = En este concierto se vota con entrada. Escribe primero el código de la tuya.
notice-work = Este concierto le pide antes a tu dispositivo unos segundos de trabajo. Vota cuando termine.
notice-mail = En este concierto votan los fans con correo confirmado. Confirma primero el tuyo.
notice-other-account =
    { $count ->
        [one] { $count } voto pendiente no se envió, porque lo hizo otra cuenta en este navegador.
        [many] { $count } de votos pendientes no se enviaron, porque los hizo otra cuenta en este navegador.
       *[other] { $count } votos pendientes no se enviaron, porque los hizo otra cuenta en este navegador.
    }
notice-other-server =
    { $count ->
        [one] { $count } voto pendiente no se envió, porque se hizo en otro servidor con esta dirección.
        [many] { $count } de votos pendientes no se enviaron, porque se hicieron en otro servidor con esta dirección.
       *[other] { $count } votos pendientes no se enviaron, porque se hicieron en otro servidor con esta dirección.
    }
notice-too-many-accounts = Llega demasiada gente nueva desde esta red. Tu voto está guardado y se enviará cuando haya sitio.
notice-rate-limited = Votas muy rápido. Tu voto está guardado y se enviará en un momento.
notice-overloaded = Hay mucha gente votando. Tu voto está guardado y se enviará en un momento.
notice-unavailable = Ahora mismo no se puede votar. Tu voto está guardado y se enviará en un momento.
notice-timeout = La conexión va lenta. Tu voto está guardado y se enviará de nuevo.
notice-internal = Algo falló en el servidor. Tu voto está guardado y se enviará de nuevo.
notice-unauthenticated = Estamos iniciando tu sesión otra vez. Tu voto está guardado.

failure-bad-request = No hay ninguna lista en esta dirección. Puede que el enlace sea antiguo o que le falte una letra.
failure-disconnected = No se puede contactar con el servidor. Revisa tu conexión e inténtalo de nuevo.
failure-rate-limited = Llegaron demasiadas peticiones tuyas o de esta red. Inténtalo de nuevo en un momento.
failure-overloaded = Hay demasiada gente ahora mismo. Inténtalo de nuevo en un momento.
failure-other = El servidor no pudo responder. Inténtalo de nuevo en un momento.

refusal-unauthenticated = Tu sesión ya no es válida. Recarga la página para iniciarla de nuevo.
refusal-blocked = Esta cuenta está bloqueada y no puede votar.
refusal-erased = Esta cuenta se borró. Recarga la página para votar como visitante nuevo.
refusal-outdated = Esta página está desactualizada. Recárgala para continuar.

mark-forbidden = Esta cuenta no puede hacer eso.
mark-failed = No se guardó el cambio. Inténtalo más tarde.

ticket-conflict = Ya tienes una entrada para este concierto. El código no se usó.
earning-forbidden = Este concierto ya no da entradas así. Recarga la página.
earning-malformed = El trabajo de tu dispositivo no se aceptó. Inténtalo de nuevo.
earning-conflict = Otra cuenta tiene la entrada de este correo. Cada correo da una por concierto: vota con la cuenta que la tiene.
suggest-conflict = La canción ya está en el concierto, se rechazó o tienes demasiadas sugerencias en espera.
suggest-forbidden = Esta cuenta no puede sugerir canciones.
account-refused = El servidor lo rechazó. Recarga la página e inténtalo de nuevo.

ticket-malformed = El código de una entrada tiene 8 letras y números o más. Revisa el de la tuya.
ticket-unknown = Este código no da ninguna entrada para este concierto. Revísalo; cada código sirve una vez.
ticket-tried-too-often = Se probaron demasiados códigos. Espera un minuto e inténtalo de nuevo.

suggest-closed = La votación terminó, así que ya no puedes sugerir canciones.
suggest-locked = La votación está en pausa. Sugiere la canción cuando continúe.
suggest-malformed = Eso no puede ser el título de una canción. Revísalo e inténtalo de nuevo.
